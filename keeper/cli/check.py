"""`keeper check`: whether everything is in place for a run, without sending anything."""

import argparse
import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from keeper.cli.settings import add_config_option, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keeper.app.preflight import Finding
    from keeper.app.settings import Settings


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = commands.add_parser(
        "check",
        help="check everything a run depends on",
        description="Checks settings, Hermes and its key, every feed and RPC endpoint, contract, account and port, and"
        " tries a push without sending it. Exit code: 0 all is fine or merely a warning, 1 something failed,"
        " 2 the settings are wrong.",
    )
    add_config_option(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--network", metavar="NAME", help="only this network, with its feeds")
    which.add_argument("--all", action="store_true", help="all networks: the default")
    parser.add_argument("--json", action="store_true", help="print a list of {check, state, detail}")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check, and print a line for each finding."""
    from keeper.app.preflight import State

    findings = asyncio.run(_check(load_settings(args.config), args.network))
    if args.json:
        _print_json(findings)
    else:
        _print_lines(findings)
    return 1 if any(finding.state is State.FAIL for finding in findings) else 0


async def _check(settings: "Settings", only: str | None) -> "Sequence[Finding]":
    from keeper.app.daemon_threads import DaemonThreads
    from keeper.app.preflight import preflight

    asyncio.get_running_loop().set_default_executor(DaemonThreads())
    return await preflight(settings, only=only)


def _print_json(findings: "Sequence[Finding]") -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(findings)).decode())


def _print_lines(findings: "Sequence[Finding]") -> None:
    from rich.console import Console
    from rich.text import Text

    from keeper.app.preflight import State

    labels = {
        State.OK: ("ok", "green"),
        State.WARN: ("warn", "yellow"),
        State.FAIL: ("FAIL", "bold red"),
        State.SKIPPED: ("skip", "dim"),
    }
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        label, style = labels[finding.state]
        console.print(Text.assemble((f"{label:<5}", style), f"{finding.check:<24} {finding.detail}"))
    counts = Counter(finding.state for finding in findings)
    console.print(Text(", ".join(f"{counts[state]} {label}" for state, (label, _) in labels.items() if counts[state])))
