"""`python -m bench.soak`: let a keeper run under random faults, and judge it; exit code 1 if it failed."""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from time import monotonic

from bench.soak.faults import rage
from bench.soak.verdict import Footprint, Row, footprint, verdict
from bench.soak.world import World, world
from bench.tables import table
from keeper.domain.errors import Fatal, KeeperError

_REST_S = 90.0
_CLOSING_S = 10.0
"""For the keeper to notice which connections have ended."""
_POLL_S = 0.25


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of faults (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="which faults, and when (default: %(default)s)")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="keeper-soak-"))
    try:
        met, rows = asyncio.run(soak(folder, seconds=args.seconds, seed=args.seed))
    except KeeperError as exc:
        sys.exit(f"soak: {exc}; the keeper's log and journal are in {folder}")
    print(table(("Fault", "Times"), sorted(met.items())), end="\n\n")
    print(table(("Soak", f"{args.seconds:g} s, seed {args.seed}", ""), [_shown(row) for row in rows]))
    failed = [row.question for row in rows if not row.passed]
    if failed:
        print(f"\nFAILED: {', '.join(failed)}. The keeper's log and journal are in {folder}")
    return 1 if failed else 0


def _shown(row: Row) -> tuple[str, str, str]:
    return row.question, row.answer, "ok" if row.passed else "FAILED"


async def soak(folder: Path, *, seconds: float, seed: int) -> tuple[Counter[str], list[Row]]:
    """The faults by kind, and the rows of the verdict."""
    chance = Random(seed)
    async with world(folder, chance) as around:
        if await _rest(around) is None:
            raise Fatal("the keeper did not come to rest before anything was done to it")
        before = await footprint(around)
        await around.move_prices(on=True)
        met = await rage(around, chance, seconds)
        await around.move_prices(on=False)
        rested_s = await _rest(around)
        after = await _calm(around, before)
        return met, await verdict(around, met=met, before=before, after=after, rested_s=rested_s)


async def _rest(around: World) -> float | None:
    """Wait until the keeper is at rest; how long that took, None if it does not come to that."""
    began = monotonic()
    while not await around.is_at_rest():
        if monotonic() > began + _REST_S:
            return None
        await asyncio.sleep(_POLL_S)
    return monotonic() - began


async def _calm(around: World, before: Footprint) -> Footprint:
    """What is held without the connections that are only kept for a minute in case they are needed again."""
    await around.http.hang_up()
    deadline = monotonic() + _CLOSING_S
    while not (after := await footprint(around)).is_like(before) and monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)
    return after


if __name__ == "__main__":
    sys.exit(main())
