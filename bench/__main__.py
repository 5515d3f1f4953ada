"""`python -m bench`: measure, print the tables, and on request write them into docs/benchmarks.md."""

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench.budget import budget_table
from bench.chain import gas_table, requests_table
from bench.interval import interval_table
from bench.journal import journal_table
from bench.latency import latency_table
from bench.load import load_table
from bench.recovery import recovery_table
from bench.scale import scale_table
from bench.scrape import scrape_table
from bench.sources import sources_table
from bench.streams import streams_table
from bench.tables import replace
from keeper.domain.errors import KeeperError

DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    samples: int
    """Events measured for each number of feeds, of each of the two programs."""
    warm_up: int
    """Events before those."""
    load_s: float
    pushes: int
    """On the real chain."""
    idle_s: int
    recoveries: int
    """Of each fault."""
    outage_s: float
    interval_s: float
    """In which keepers of different windows are compared."""


FULL = Effort(samples=200, warm_up=50, load_s=20, pushes=10, idle_s=20, recoveries=3, outage_s=60, interval_s=600)
QUICK = Effort(samples=40, warm_up=20, load_s=6, pushes=4, idle_s=6, recoveries=1, outage_s=20, interval_s=60)

TABLES: dict[str, Callable[[Effort], str]] = {
    "latency": lambda effort: latency_table(
        feed_counts=(1, 10, 100, 500), samples=effort.samples, warm_up=effort.warm_up
    ),
    "requests": lambda effort: asyncio.run(requests_table(pushes=effort.pushes, idle_s=effort.idle_s)),
    "budget": lambda effort: asyncio.run(budget_table(polls=effort.idle_s, pushes=effort.pushes)),
    "gas": lambda effort: asyncio.run(gas_table(pushes=effort.pushes)),
    "interval": lambda effort: asyncio.run(interval_table(seconds=effort.interval_s)),
    "journal": lambda effort: uvloop.run(journal_table(pushes=effort.samples * 5)),
    "recovery": lambda effort: asyncio.run(recovery_table(times=effort.recoveries, outage_s=effort.outage_s)),
    "scale": lambda effort: scale_table(seconds=effort.load_s),
    "scrape": lambda effort: uvloop.run(scrape_table(times=effort.samples)),
    "sources": lambda effort: uvloop.run(sources_table(repeats=1 if effort is QUICK else 3)),
    "streams": lambda effort: streams_table(
        samples=effort.samples,
        warm_up=effort.warm_up,
        clients=(100, 1_000) if effort is QUICK else (100, 1_000, 10_000),
    ),
    "load": lambda effort: load_table(seconds=effort.load_s),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the keeper.")
    parser.add_argument("--only", choices=TABLES, action="append", help="just this table (repeatable)")
    parser.add_argument("--quick", action="store_true", help="fewer samples: a look, not a measurement")
    parser.add_argument("--write", action="store_true", help=f"put the tables into docs/{DOCUMENT.name} as well")
    args = parser.parse_args()
    effort = QUICK if args.quick else FULL
    try:
        for name in ("machine", *(args.only or TABLES)):
            text = machine() if name == "machine" else TABLES[name](effort)
            print(f"## {name}\n\n{text}\n", flush=True)
            if args.write:
                replace(DOCUMENT, name, text)
    except KeeperError as exc:
        sys.exit(f"bench: {exc}")


def machine() -> str:
    """What it was measured on."""
    processor = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return f"{processor}, Python {platform.python_version()}, {datetime.now(tz=UTC).date()}"


if __name__ == "__main__":
    main()
