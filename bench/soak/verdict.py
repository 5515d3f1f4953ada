"""What a soak came to, a row for each question."""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import psutil
from sqlalchemy import Connection, func, select

from bench.soak.world import World
from keeper.journal.database import SqliteDatabase
from keeper.journal.tables import pushes, wei_sum
from keeper.lab.anvil import DEV_ADDRESS
from tests.support.verdict import assert_books_match

_LANDED = ("confirmed", "nothing_newer", "reverted", "cancelled")
_MEGABYTE = 2**20
_MOST_GROWTH = 1.5
_MORE = 2
"""Tasks or sockets, that come and go."""


class Row(NamedTuple):
    """One question and its answer."""

    question: str
    answer: str
    passed: bool = True


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the keeper's process holds."""

    rss: int
    """Bytes."""
    tasks: int
    sockets: int

    def is_like(self, other: "Footprint") -> bool:
        """Whether nothing was left open since."""
        return self.tasks <= other.tasks + _MORE and self.sockets <= other.sockets + _MORE


async def footprint(world: World) -> Footprint:
    """As of now."""
    process = psutil.Process(world.keeper.process.pid)
    _, metrics = await world.keeper.get("/metrics")
    (tasks,) = (line.rpartition(" ")[2] for line in metrics.splitlines() if line.startswith("keeper_tasks{"))
    connections = [each for each in process.net_connections() if each.status != psutil.CONN_LISTEN]
    return Footprint(process.memory_info().rss, int(tasks), len(connections))


class Books(NamedTuple):
    """What the journal says."""

    outcomes: Counter[str]
    spent: int
    """Wei."""
    retries: int


async def verdict(
    world: World, *, met: Counter[str], before: Footprint, after: Footprint, rested_s: float | None
) -> list[Row]:
    """All rows; the keeper runs, and should be at rest, which took `rested_s`. `met` counts faults by kind."""
    books = await _books(world)
    paid = world.balance - await world.funds()
    used = await world.nonce() - world.first_nonce
    landed = sum(books.outcomes[outcome] for outcome in _LANDED)
    vain = books.outcomes["nothing_newer"]
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in books.outcomes.most_common())
    return [
        Row("faults", f"{met.total()} of {len(met)} kinds", passed=bool(met)),
        Row("keeper started", f"{world.starts} times"),
        Row("pushes", f"{books.outcomes.total()}: {outcomes}; {books.retries} retries", passed=landed > 0),
        Row("came to rest", "never" if rested_s is None else f"within {rested_s:.1f} s", passed=rested_s is not None),
        Row("wei by journal", f"{books.spent:,}", passed=books.spent == paid),
        Row("wei by balance", f"{paid:,}", passed=books.spent == paid),
        Row("nonces used, pushes landed", f"{used}, {landed}", passed=used == landed),
        await _books_row(world),
        Row("landed and wrote nothing", str(vain), passed=not vain),
        Row(
            "RSS before, after",
            f"{before.rss / _MEGABYTE:.0f} MB, {after.rss / _MEGABYTE:.0f} MB",
            passed=after.rss <= before.rss * _MOST_GROWTH,
        ),
        Row("tasks and sockets before", f"{before.tasks} and {before.sockets}"),
        Row("tasks and sockets after", f"{after.tasks} and {after.sockets}", passed=after.is_like(before)),
    ]


async def _books_row(world: World) -> Row:
    """Gaps, duplicates, lost hashes, costs: transaction by transaction."""
    try:
        await assert_books_match(
            world.node_url, f"sqlite:///{world.journal}", DEV_ADDRESS, since_nonce=world.first_nonce
        )
    except AssertionError as exc:
        return Row("journal against chain", str(exc), passed=False)
    return Row("journal against chain", "the same, and no gap, no duplicate, no lost hash")


async def _books(world: World) -> Books:
    def read(connection: Connection) -> Books:
        outcome = func.coalesce(pushes.c.outcome, "open")
        counted = connection.execute(select(outcome, func.count()).group_by(outcome)).all()
        gas, fees, retries = connection.execute(
            select(wei_sum(pushes.c.gas_cost), wei_sum(pushes.c.update_fee), func.sum(pushes.c.retry_count))
        ).one()
        return Books(Counter(dict(counted)), gas + fees, retries or 0)

    return await SqliteDatabase(world.journal, read_only=True).run(read)
