"""What an operator reads out of a journal of either kind."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from keeper.domain.accounting import cost_of
from keeper.domain.errors import JournalError
from keeper.domain.orders import Addressee, Pause, PushRequest
from keeper.domain.transaction import Fate, FeedWrite, Flight, State
from keeper.domain.units import FeedId
from keeper.journal import tables
from keeper.journal.address import PostgresServer, SqliteFile
from keeper.journal.database import Database, PostgresDatabase, SqliteDatabase
from keeper.journal.journal import StoredJournal
from keeper.journal.migrate import VERSION_TABLE
from keeper.journal.orders import JournalOrders
from keeper.journal.reading import costs, every, for_reading, newest, read
from keeper.journal.requests import Asked, answer, ask, is_open, withdraw
from keeper.journal.stories import CostLine, Filter, PushStory
from keeper.journal.tables import metadata
from keeper.ports import Account
from tests.support import flights as f
from tests.support.flights import ACCOUNT, BTC, ETH, OTHER
from tests.support.journal_contract import fresh_account

_T = TypeVar("_T")

DAY_S = 86_400
NOON = 20_000 * DAY_S + DAY_S / 2
"""Of day 20,000."""
ALL = Filter()
FIRST = 1_000
"""And the number of a push is the number of its first attempt."""


class ReadingContract(ABC):
    """Subclasses say where the journal is, and make it."""

    @pytest.fixture
    @abstractmethod
    def address(self, tmp_path: Path) -> SqliteFile | PostgresServer:
        """Of an empty journal."""

    @abstractmethod
    def journal(self, address: SqliteFile | PostgresServer) -> StoredJournal:
        """One that is not open yet."""

    @pytest.fixture
    async def told(self, address: SqliteFile | PostgresServer) -> "Told":
        journal = self.journal(address)
        await journal.open()
        told = Told(address, journal)
        await told.push(1, at=NOON - DAY_S)
        await told.push(2, at=NOON, feeds=(ETH,))
        await told.push(3, at=NOON + 1, succeeded=False)
        await told.push(4, at=NOON + 2, end=State.SUPERSEDED)
        await told.push(5, at=NOON + 3, end=None)
        await journal.close()
        return told

    async def test_migrations_make_the_tables_that_the_code_knows(self, told: "Told") -> None:
        def differences(connection: Connection) -> object:
            options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
            return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

        assert await read(for_reading(told.address), differences) == []

    async def test_lists_the_latest_pushes_first(self, told: "Told") -> None:
        stories = await told.newest(limit=3)
        assert [(story.push, story.state, story.outcome) for story in stories] == [
            (5, "pending", None),
            (4, "superseded", "superseded"),
            (3, "final", "reverted"),
        ]

    async def test_tells_the_whole_story_of_a_push(self, told: "Told") -> None:
        (story,) = await told.newest(Filter(push=2))
        first, second = f.attempt(FIRST + 2, f.plan(ETH)), f.attempt(2, f.plan(ETH))
        assert (story.network, story.account, story.nonce) == ("test", ACCOUNT.address, 2)
        assert (story.decided_at, story.mined_at, story.ended_at) == (NOON, NOON + 0.3, NOON + 0.4)
        assert (story.tx_hash, story.block_number, story.gas_used) == (second.signed.hash, 17, 120_001)
        assert story.gas_price == f.GWEI + 7
        assert (story.gas_cost, story.l1_fee, story.update_fee) == (120_001 * (f.GWEI + 7) + 11, 11, 1)
        assert [(each.hash, each.fate, each.signed_at, each.sent_at, each.fee_cap) for each in story.attempts] == [
            (first.signed.hash, "held", NOON, NOON + 0.1, 2 * f.GWEI),
            (second.signed.hash, "held", NOON + 0.2, NOON + 0.3, 2 * f.GWEI),
        ]
        assert [(note.at, note.kind, note.tx_hash, note.endpoint, note.detail) for note in story.notes] == [
            (NOON, "signed", first.signed.hash, "", ""),
            (NOON + 0.1, "taken", first.signed.hash, "node", "late"),
            (NOON + 0.2, "signed", second.signed.hash, "", ""),
            (NOON + 0.3, "mined", second.signed.hash, "", ""),
            (NOON + 0.4, "final", b"", "", ""),
        ]
        assert story.feeds == {ETH: "deviation"}
        price = f.plan(ETH).prices[ETH]
        assert story.writes == (FeedWrite(ETH, price.publish_time, price.price, price.conf),)

    async def test_a_record_that_comes_twice_is_one_line(self, address: SqliteFile | PostgresServer) -> None:
        for _ in range(2):
            journal = self.journal(address)
            await journal.open()
            told = Told(address, journal)
            await told.push(1, at=NOON)
            await journal.close()
        (story,) = await told.newest()
        assert [note.kind for note in story.notes] == ["signed", "taken", "signed", "mined", "final"]
        assert len(story.attempts) == 2

    @pytest.mark.parametrize(
        ("wanted", "pushes"),
        [
            (Filter(network="test"), [5, 4, 3, 2, 1]),
            (Filter(network="other"), []),
            (Filter(status="open"), [5]),
            (Filter(status="final"), [3, 2, 1]),
            (Filter(status="reverted"), [3]),
            (Filter(status="superseded"), [4]),
            (Filter(feed=ETH), [2]),
            (Filter(feed=BTC), [5, 4, 3, 1]),
            (Filter(feed=FeedId("a" * 64)), []),
            (Filter(since=NOON), [5, 4, 3, 2]),
            (Filter(until=NOON + 2), [3, 2, 1]),
            (Filter(since=NOON, until=NOON + 1, feed=BTC), []),
            (Filter(tx_hash=f.attempt(FIRST + 2, None).signed.hash), [2]),
            (Filter(tx_hash=bytes(32)), []),
        ],
    )
    async def test_filters(self, told: "Told", wanted: Filter, pushes: list[int]) -> None:
        assert [story.push for story in await told.newest(wanted)] == pushes

    async def test_exports_every_push_in_order(self, address: SqliteFile | PostgresServer) -> None:
        journal = self.journal(address)
        await journal.open()
        told = Told(address, journal)
        for push in range(1, 501):
            await told.signed(push, at=NOON - push)
        await journal.close()
        assert [story.push for story in await told.every()] == list(range(1, 501))
        assert [story.push for story in await told.every(Filter(since=NOON - 300))] == list(range(1, 301))

    async def test_adds_up_costs_by_day_and_feed(self, told: "Told") -> None:
        gas = 120_001 * (f.GWEI + 7) + 11
        assert await told.costs(by_day=True, by_feed=True) == [
            CostLine("test", 19_999, BTC, 1, gas, 1),
            CostLine("test", 20_000, BTC, 1, gas, 0),
            CostLine("test", 20_000, ETH, 1, gas, 1),
        ]
        assert await told.costs(by_day=True, by_feed=False) == [
            CostLine("test", 19_999, None, 1, gas, 1),
            CostLine("test", 20_000, None, 2, 2 * gas, 1),
        ]
        assert await told.costs(by_day=False, by_feed=True) == [
            CostLine("test", None, BTC, 2, 2 * gas, 1),
            CostLine("test", None, ETH, 1, gas, 1),
        ]
        assert await told.costs(Filter(feed=ETH), by_day=True, by_feed=False) == [
            CostLine("test", 20_000, None, 1, gas, 1)
        ]
        assert await told.costs(Filter(since=NOON, network="other"), by_day=True, by_feed=True) == []

    async def test_what_was_spent_on_no_feed_is_told_as_such(self, address: SqliteFile | PostgresServer) -> None:
        journal = self.journal(address)
        await journal.open()
        told = Told(address, journal)
        lost = replace(Flight(1, 1, (f.attempt(1, None),)), end=State.FINAL)
        mined = replace(lost, receipt=f.receipt(lost.attempts[0]))
        await journal.record(ACCOUNT, mined, f.note(NOON, "final"))
        await journal.close()
        gas = 120_001 * (f.GWEI + 7) + 11
        assert await told.costs(by_day=False, by_feed=True) == [CostLine("test", None, None, 1, gas, 0)]

    async def test_networks_are_never_added_up(self, address: SqliteFile | PostgresServer) -> None:
        journal = self.journal(address)
        await journal.open()
        told = Told(address, journal)
        await told.push(1, at=NOON)
        await told.push(1, at=NOON, account=OTHER)
        await journal.close()
        lines = await told.costs(by_day=False, by_feed=False)
        assert [(line.network, line.pushes) for line in lines] == [("other", 1), ("test", 1)]

    @settings(
        max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
    )
    @given(flight=f.flights(), others=st.lists(st.sampled_from(Fate), max_size=2))
    async def test_shares_of_feeds_add_up_to_what_the_push_cost(
        self, address: SqliteFile | PostgresServer, flight: Flight, others: list[Fate]
    ) -> None:
        journal = self.journal(address)
        await journal.open()
        account = fresh_account()
        for fate in (*others, Fate.HELD):
            flight = replace(flight, attempts=tuple(replace(each, fate=fate) for each in flight.attempts))
            await journal.record(account, flight, f.note(NOON, "mined"))
        await journal.close()
        (story,) = await Told(address, journal).newest(Filter(network=account.network))
        cost = cost_of(flight)
        assert story.cost == (None if cost is None else cost.total)
        if story.feed_costs:
            assert cost is not None
            assert sum(share.gas_cost for share in story.feed_costs) == cost.gas
            assert sum(share.update_fee for share in story.feed_costs) == cost.update_fee

    async def test_reads_while_a_keeper_writes(self, address: SqliteFile | PostgresServer) -> None:
        journal = self.journal(address)
        await journal.open()
        told = Told(address, journal)

        async def write() -> None:
            for push in range(1, 301):
                await told.push(push, at=NOON + push)

        writing = asyncio.create_task(write())
        seen = []
        while not writing.done():
            stories = await told.every()
            assert all(story.attempts and story.notes for story in stories)
            seen.append(len(stories))
        await writing
        await journal.close()
        assert seen == sorted(seen)
        assert len(await told.every()) == 300

    async def test_a_keeper_is_asked_for_the_feeds_of_a_push(self, told: "Told") -> None:
        asked = await told.ask(2, at=NOON)
        assert await told.run(partial(is_open, asked=asked))
        orders = JournalOrders(told.writable())
        assert await orders.take(Addressee("test", ACCOUNT.address), NOON + 1) == PushRequest(frozenset({ETH}), "alice")
        await orders.close()
        assert not await told.run(partial(is_open, asked=asked))
        assert not await told.run(partial(withdraw, asked=asked))

    async def test_what_was_withdrawn_is_not_heeded(self, told: "Told") -> None:
        withdrawn = await told.ask(2, at=NOON)
        assert await told.run(partial(withdraw, asked=withdrawn))
        orders = JournalOrders(told.writable())
        assert await orders.take(Addressee("test", ACCOUNT.address), NOON) is None
        await orders.close()

    async def test_orders_stay_as_long_as_pushes(self, told: "Told", address: SqliteFile | PostgresServer) -> None:
        orders = JournalOrders(told.writable())
        mine = Addressee("test", ACCOUNT.address)
        await orders.ask(mine, PushRequest(None, "alice"), NOON)
        await orders.take(mine, NOON + 1)
        await orders.pause(mine, Pause("bob", NOON + 2))
        await orders.resume(mine, by="carol", now=NOON + 3)
        await orders.close()

        async def kept() -> list[tuple[object, ...]]:
            columns = (tables.orders.c.kind, tables.orders.c.asked_by, tables.orders.c.asked_at)
            return await told.run(lambda connection: [tuple(row) for row in connection.execute(select(*columns))])

        assert await kept() == [
            ("update", "alice", NOON),
            ("pause", "bob", NOON + 2),
            ("resume", "carol", NOON + 3),
        ]
        journal = self.journal(address)
        await journal.open()
        await journal.prune(NOON + 3)
        await journal.close()
        assert await kept() == [("resume", "carol", NOON + 3)]

    async def test_the_answer_is_the_first_push_with_the_feed_since_then(
        self, told: "Told", address: SqliteFile | PostgresServer
    ) -> None:
        asked = await told.ask(2, at=NOON)
        assert await told.run(partial(answer, asked=asked)) is None
        journal = self.journal(address)
        await journal.open()
        again = Told(address, journal)
        for push, feeds in ((6, (BTC,)), (7, (BTC, ETH)), (8, (ETH,))):
            await again.push(push, at=NOON + push, feeds=feeds)
        await journal.close()
        assert await told.run(partial(answer, asked=asked)) == 7

    async def test_says_so_where_no_keeper_has_made_tables(self, address: SqliteFile | PostgresServer) -> None:
        with pytest.raises(JournalError, match=r"no journal at|no tables of this version"):
            await Told(address, self.journal(address)).newest()


class Told:
    """What is written into a journal, and read out of it by somebody else."""

    def __init__(self, address: SqliteFile | PostgresServer, journal: StoredJournal) -> None:
        self.address = address
        self._journal = journal

    async def signed(self, push: int, *, at: float) -> Flight:
        first = f.attempt(push, f.plan(BTC))
        flight = Flight(push, push, (first,))
        await self._journal.record(ACCOUNT, flight, f.note(at, "signed", first))
        return flight

    async def push(
        self,
        push: int,
        *,
        at: float,
        feeds: tuple[FeedId, ...] = (BTC,),
        succeeded: bool = True,
        end: State | None = State.FINAL,
        account: Account = ACCOUNT,
    ) -> None:
        """Two attempts within a second, the second of which is mined where the end is FINAL."""
        first, second = (f.attempt(number + push, f.plan(*feeds)) for number in (FIRST, 0))
        flight = Flight(push, push, (first,))
        await self._journal.record(account, flight, f.note(at, "signed", first))
        flight = f.sent(flight)
        await self._journal.record(account, flight, f.note(at + 0.1, "taken", first, endpoint="node", detail="late"))
        flight = replace(flight, attempts=(*flight.attempts, second))
        await self._journal.record(account, flight, f.note(at + 0.2, "signed", second))
        flight = f.sent(flight)
        if end is State.FINAL:
            flight = replace(flight, receipt=f.receipt(second, succeeded=succeeded))
            await self._journal.record(account, flight, f.note(at + 0.3, "mined", second))
        if end is not None:
            await self._journal.record(account, replace(flight, end=end), f.note(at + 0.4, end.value))

    def writable(self) -> Database:
        """As the keeper has it for requests."""
        if isinstance(self.address, SqliteFile):
            return SqliteDatabase(self.address)
        return PostgresDatabase(self.address, keeps_connection=True)

    async def ask(self, push: int, *, at: float) -> Asked:
        """Ask for the feeds of a push."""
        (story,) = await self.newest(Filter(push=push))
        return await self.run(partial(ask, story=story, by="alice", now=at))

    async def run(self, work: Callable[[Connection], _T]) -> _T:
        """Do the work as one who may write."""
        database = self.writable()
        try:
            return await database.run(work, writes=True)
        finally:
            await database.close()

    async def newest(self, wanted: Filter = ALL, limit: int = 100) -> list[PushStory]:
        return await read(for_reading(self.address), lambda connection: newest(connection, wanted, limit))

    async def every(self, wanted: Filter = ALL) -> list[PushStory]:
        return await read(for_reading(self.address), lambda connection: list(every(connection, wanted)))

    async def costs(self, wanted: Filter = ALL, *, by_day: bool, by_feed: bool) -> list[CostLine]:
        return await read(
            for_reading(self.address),
            lambda connection: costs(connection, wanted, by_day=by_day, by_feed=by_feed),
        )
