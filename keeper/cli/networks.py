"""`keeper networks`: which networks are set, and one push through any of them."""

import argparse
import asyncio
import json
from typing import TYPE_CHECKING, Any

from keeper.cli.settings import add_config_option, load_settings
from keeper.domain.errors import UsageError

if TYPE_CHECKING:
    from keeper.app.feeds import Feed
    from keeper.app.network_settings import NetworkSettings
    from keeper.app.network_trial import Trial


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command with its parts."""
    parser = commands.add_parser("networks", help="list networks, or push one price through one of them")
    parts = parser.add_subparsers(metavar="PART", required=True)
    _add_list(parts)
    _add_test(parts)


def _add_list(parts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = parts.add_parser("list", help="the networks of the settings; nothing is asked of any node")
    add_config_option(parser)
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    parser.set_defaults(run=_list)


def _add_test(parts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = parts.add_parser(
        "test",
        help="push one price, wait until that is final, and read it from the chain",
        description="A keeper that runs with the same journal is asked to push; where none runs, this process does. It"
        " costs what a push costs. Exit code: 0 the price is on chain, or none is newer than there; 1 it failed.",
    )
    parser.add_argument("name", metavar="NAME", help="the network")
    parser.add_argument("--feed", metavar="FEED", help="alias or id of the feed (default: the first one)")
    parser.add_argument(
        "--wait", type=float, default=120.0, metavar="SECONDS", help="until the push is final (default: %(default)g)"
    )
    parser.add_argument("--json", action="store_true", help="print one object")
    add_config_option(parser)
    parser.set_defaults(run=_test)


def _list(args: argparse.Namespace) -> int:
    from keeper.app.network_lines import network_line

    lines = [network_line(network) for network in load_settings(args.config).networks]
    if args.json:
        print(json.dumps(lines, indent=2))
        return 0
    for line in lines:
        chain = "any chain" if line["chain_id"] is None else f"chain {line['chain_id']}"
        print(f"{line['name']}: {chain}, contract {line['contract']}, account {line['account']},")
        if line["chain"] is not None:
            print(f"    {_known(line)}")
        print(f"    {line['feeds']} feeds, RPC {', '.join(line['rpc'])}")
    return 0


def _known(line: dict[str, Any]) -> str:
    """What is known of the chain before it was asked."""
    blocks = "" if line["block_time_s"] is None else f", a block every {line['block_time_s']:g} s"
    fees = "" if line["fees"] is None else f", fees by {line['fees']}"
    return f"known as {line['chain']}{blocks}{fees}"


def _test(args: argparse.Namespace) -> int:
    from keeper.app.network_lines import trial_lines
    from keeper.app.network_trial import try_network

    settings = load_settings(args.config)
    names = [network.network_name for network in settings.networks]
    if args.name not in names:
        raise UsageError(f"no network is called {args.name!r}: there is {', '.join(names)}")
    network = settings.networks[names.index(args.name)]
    feed = _feed(network, args.feed)
    trial: Trial = asyncio.run(try_network(settings, network, feed, patience_s=args.wait))
    lines = trial_lines(network.network_name, trial)
    if args.json:
        print(json.dumps(lines, indent=2))
    else:
        for name, value in lines.items():
            print(f"{name.replace('_', ' '):<12} {value}")
    return 0


def _feed(network: "NetworkSettings", called: str | None) -> "Feed":
    from keeper.app.aliases import feed_called

    if called is None:
        return network.feeds[0]
    feed_id = feed_called(called, {feed.feed_id: feed.alias for feed in network.feeds})
    found = [feed for feed in network.feeds if feed.feed_id == feed_id]
    if not found:
        raise UsageError(f"{network.network_name} does not keep the feed {called}")
    return found[0]
