"""`keeper demo`: a devnet of its own and a keeper on it, to be watched."""

import argparse
import os
import sys
from pathlib import Path

_COMMENT = """Runs Anvil, a Pyth contract, the Hermes simulator and a keeper until Ctrl-C. Thresholds, preset, debounce
and logging follow the environment as for `keeper run`; key, chain, source and feeds are the devnet's own."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = commands.add_parser("demo", help="watch a keeper on a devnet of its own", description=_COMMENT)
    parser.add_argument("--feeds", type=int, default=10, metavar="N", help="how many feeds, 1 to 2000 (default: 10)")
    parser.add_argument("--interval-ms", type=int, default=400, metavar="MS", help="between two prices (default: 400)")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds make equal prices")
    parser.add_argument(
        "--volatility-ppm", type=int, default=50, metavar="PPM", help="of a step; 0 stands still (default: 50)"
    )
    parser.add_argument("--block-time-s", type=float, metavar="S", help="mine blocks this often, not at once")
    parser.add_argument("--plain", action="store_true", help="log lines even on a terminal, no live table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT."""
    import uvloop

    from keeper.lab.demo import DemoOptions, demo
    from keeper.lab.hermes import SimulatorConfig

    options = DemoOptions(
        hermes=SimulatorConfig(
            feeds=args.feeds,
            interval_ms=args.interval_ms,
            seed=args.seed,
            volatility_ppm=args.volatility_ppm,
        ),
        block_time_s=args.block_time_s,
        live_table=sys.stdout.isatty() and not args.plain,
    )
    with Path(os.devnull).open("w") as nowhere:
        uvloop.run(demo(options, lines=nowhere if options.live_table else sys.stdout))
    return 0
