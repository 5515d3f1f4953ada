"""The `keeper` command line: one module per command."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from keeper.cli import alert, check, demo, devnet, journal, networks, orders, run, status, verify, version
from keeper.domain.errors import KeeperError, UsageError

COMMANDS = (run, check, alert, networks, demo, status, orders, verify, journal, devnet, version)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 fine, 1 the command failed, 2 bad input."""
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, _end)
    parser = argparse.ArgumentParser(prog="keeper", description="Keeps Pyth price feeds fresh on EVM chains.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except UsageError as exc:
        print(f"keeper: {exc}", file=sys.stderr)
        return 2
    except KeeperError as exc:
        print(f"keeper: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _end(*_: object) -> NoReturn:
    """End as SIGTERM does by itself, unless a process is the first of a container: then it is ignored."""
    sys.exit(128 + signal.SIGTERM)
