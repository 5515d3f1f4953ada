"""`keeper devnet hermes`: serve truly signed prices in the wire format of Hermes."""

import argparse
import asyncio
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from keeper.domain.errors import UsageError

if TYPE_CHECKING:
    from keeper.lab.hermes import HermesSimulator, SimulatorConfig


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = commands.add_parser(
        "hermes",
        help="serve simulated prices as Hermes does",
        description="Serves truly signed prices in the wire format of Hermes until SIGTERM or SIGINT. Once it serves,"
        " it prints one line of JSON: its url, the feeds' ids, the signers' addresses and the quorum.",
        epilog="The keys that sign are public: no contract of any value may trust them. docs/devnet.md tells the rest.",
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, metavar="P", help="default: a free one")
    _add_market(parser)
    _add_signers(parser)
    _add_service(parser)
    parser.set_defaults(run=run)


def _add_market(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("prices").add_argument
    add("--feeds", type=int, default=10, metavar="N", help="how many feeds, 1 to 2000 (default: %(default)s)")
    add(
        "--interval-ms", type=int, default=400, metavar="MS",
        help="between two events (default: %(default)s); 0 sends only what the control route asks for",
    )  # fmt: skip
    add("--seed", type=int, default=0, metavar="S", help="equal seeds make equal walks (default: %(default)s)")
    add(
        "--volatility-ppm", type=int, default=50, metavar="X",
        help="standard deviation of a walk's step (default: %(default)s); 0 stands still",
    )  # fmt: skip
    add(
        "--csv", action="append", default=[], metavar="FEED=PATH",
        help="a feed, by symbol or id, that replays a CSV file; may be repeated",
    )  # fmt: skip
    add("--speed", type=float, default=1.0, metavar="X", help="of replays, 1 as recorded (default: 1)")
    add("--once", action="store_true", help="close a feed's market at its file's end, instead of starting again")


def _add_signers(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("signers")
    source = group.add_mutually_exclusive_group()
    source.add_argument("--signers-count", type=int, default=1, metavar="N", help="devnet keys (default: %(default)s)")
    source.add_argument("--signer-keys-file", type=Path, metavar="FILE", help="keys of your own, one a line")
    group.add_argument("--quorum", type=int, metavar="M", help="how many sign each update (default: all)")
    group.add_argument("--signer-set-index", type=int, default=0, metavar="I", help="default: %(default)s")


def _add_service(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("service").add_argument
    add("--api-key", metavar="KEY", help="wanted on the price routes")
    add("--keepalive-s", type=float, default=15.0, metavar="S", help="without an event (default: 15)")
    add("--max-connection-s", type=float, default=86_400.0, metavar="S", help="a stream's age (default: 24 h)")
    add("--rate-limit", action="store_true", help="answer 429 for a minute after 10 requests in 10 s")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    asyncio.run(_serve(_config(args), host=args.host, port=args.port))
    return 0


def _config(args: argparse.Namespace) -> "SimulatorConfig":
    from keeper.lab.hermes import SimulatorConfig
    from keeper.lab.hermes.signers import devnet_signer_keys, read_signer_keys

    keys = read_signer_keys(args.signer_keys_file) if args.signer_keys_file else devnet_signer_keys(args.signers_count)
    return SimulatorConfig(
        feeds=args.feeds,
        interval_ms=args.interval_ms,
        seed=args.seed,
        volatility_ppm=args.volatility_ppm,
        recordings=_recordings(args.csv),
        speed=args.speed,
        loop=not args.once,
        signer_keys=keys,
        quorum=args.quorum,
        signer_set_index=args.signer_set_index,
        api_key=args.api_key,
        rate_limit=args.rate_limit,
        keepalive_s=args.keepalive_s,
        max_connection_s=args.max_connection_s,
    )


def _recordings(pairs: list[str]) -> dict[str, Path]:
    recordings: dict[str, Path] = {}
    for pair in pairs:
        feed, separator, path = pair.partition("=")
        if not (feed and separator and path):
            raise UsageError(f"--csv {pair}: give FEED=PATH, such as BTC/USD=bars.csv.gz")
        if feed in recordings:
            raise UsageError(f"--csv {pair}: {feed} replays a file already")
        recordings[feed] = Path(path)
    return recordings


async def _serve(config: "SimulatorConfig", *, host: str, port: int) -> None:
    from keeper.lab.hermes import HermesSimulator

    simulator = HermesSimulator(config)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await simulator.start(host, port)
    print(json.dumps(_announcement(simulator)), flush=True)
    watch = asyncio.create_task(simulator.watch(), name="hermes-simulator-watch")
    watch.add_done_callback(lambda _task: stopped.set())
    await stopped.wait()
    if watch.done():
        watch.result()
    watch.cancel()
    await simulator.stop()


def _announcement(simulator: "HermesSimulator") -> dict[str, object]:
    return {
        "url": simulator.url,
        "feeds": simulator.feed_ids,
        "signers": simulator.signers,
        "quorum": simulator.quorum,
    }
