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
    parser = commands.add_parser("hermes", help="serve simulated prices as Hermes does")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (default)")
    _add_market(parser)
    _add_signers(parser)
    _add_service(parser)
    parser.set_defaults(run=run)


def _add_market(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("prices")
    group.add_argument("--feeds", type=int, default=10, metavar="N", help="how many feeds, 1 to 2000")
    group.add_argument("--interval-ms", type=int, default=400, help="between two events; 0: only by the control route")
    group.add_argument("--seed", type=int, default=0, help="equal seeds make equal walks")
    group.add_argument("--volatility-ppm", type=int, default=50, help="deviation of a step; 0 stands still")
    group.add_argument("--csv", action="append", default=[], metavar="FEED=PATH", help="replay a CSV file (repeatable)")
    group.add_argument("--speed", type=float, default=1.0, help="replay so many times faster than recorded")
    group.add_argument("--once", action="store_true", help="end a replay at its last row instead of starting again")


def _add_signers(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("signers")
    source = group.add_mutually_exclusive_group()
    source.add_argument("--signers-count", type=int, default=1, metavar="N", help="sign with N devnet keys")
    source.add_argument("--signer-keys-file", type=Path, metavar="PATH", help="sign with these keys, one a line")
    group.add_argument("--quorum", type=int, metavar="M", help="how many of them sign (default: all)")
    group.add_argument("--signer-set-index", type=int, default=0, help="the signer set that updates name")


def _add_service(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("service")
    group.add_argument("--api-key", metavar="KEY", help="want this key on the price routes")
    group.add_argument("--keepalive-s", type=float, default=15.0, help="silence before a keep-alive comment")
    group.add_argument("--max-connection-s", type=float, default=86_400.0, help="age at which a stream is ended")
    group.add_argument("--rate-limit", action="store_true", help="429 for a minute after 10 requests in 10 s")


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
