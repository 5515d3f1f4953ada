"""The journal on a real PostgreSQL server, and when things go wrong around it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from keeper.app.clock import SystemClock
from keeper.app.preflight.finding import State
from keeper.app.preflight.journal import check_journal
from keeper.domain.errors import JournalError, MandateLost
from keeper.domain.events import Event, JournalFailed, JournalRecovered
from keeper.domain.transaction import Flight
from keeper.journal.address import PostgresServer, SqliteFile, parse_journal_url
from keeper.journal.database import PostgresDatabase
from keeper.journal.journal import StoredJournal
from keeper.journal.orders import JournalOrders
from keeper.journal.postgres import PostgresJournal
from keeper.pipeline.journaling import DurableJournal, OnFailure
from keeper.ports import Orders
from tests.support import flights as f
from tests.support.flights import ACCOUNT, BTC
from tests.support.journal_contract import PATIENT_S, JournalContract, MakeJournal
from tests.support.orders_contract import OrdersContract
from tests.support.postgres import PASSWORD, QUOTED_PASSWORD, PostgresProcess
from tests.support.reading_contract import ReadingContract
from tests.support.waiting import PATIENCE_S, wait_until


@pytest.fixture
async def server(postgres: PostgresProcess) -> PostgresServer:
    """An empty database."""
    server = parse_journal_url(await postgres.new_database())
    assert isinstance(server, PostgresServer)
    return server


def patient(server: PostgresServer) -> PostgresJournal:
    return PostgresJournal(server, append_s=PATIENT_S)


async def test_takes_a_password_that_is_not_in_the_url(server: PostgresServer) -> None:
    bare = PostgresServer(server.url.replace(f":{QUOTED_PASSWORD}@", "@"), server.label, PASSWORD)
    assert PASSWORD not in repr(bare)
    journal = PostgresJournal(bare)
    try:
        await journal.open()
    finally:
        await journal.close()


class TestPostgresJournal(JournalContract):
    @pytest.fixture
    def make(self, server: PostgresServer) -> MakeJournal:
        return lambda: patient(server)


class TestReadingPostgres(ReadingContract):
    @pytest.fixture
    def address(self, server: PostgresServer) -> SqliteFile | PostgresServer:
        return server

    def journal(self, address: SqliteFile | PostgresServer) -> StoredJournal:
        assert isinstance(address, PostgresServer)
        return patient(address)


class TestPostgresOrders(OrdersContract):
    @pytest.fixture
    async def orders(self, server: PostgresServer) -> AsyncIterator[Orders]:
        journal = PostgresJournal(server)
        await journal.open()
        await journal.close()
        orders = JournalOrders(PostgresDatabase(server, keeps_connection=True))
        yield orders
        await orders.close()


@pytest.fixture
async def journal(server: PostgresServer) -> AsyncIterator[PostgresJournal]:
    journal = patient(server)
    await journal.open()
    await journal.recover(ACCOUNT)
    yield journal
    await journal.close()


def flight(push: int = 1) -> Flight:
    return Flight(push, push, (f.attempt(push, f.plan(BTC)),))


async def record(journal: PostgresJournal | DurableJournal, push: int) -> None:
    await journal.record(ACCOUNT, flight(push), f.note(push, "signed", flight(push).newest))


async def pushes(journal: PostgresJournal) -> list[int]:
    return [flight.push for flight in (await journal.recover(ACCOUNT)).flights]


async def is_refused(journal: PostgresJournal, push: int, words: str) -> None:
    """A record is, with these words, sooner or later."""
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(JournalError, match=words):
            await record(journal, push)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_connects_again_after_a_restart(
    journal: PostgresJournal, postgres: PostgresProcess, how: signal.Signals
) -> None:
    await record(journal, 1)
    postgres.stop(how)
    await is_refused(journal, 2, "is the server up")
    postgres.start()
    await record(journal, 3)
    assert await pushes(journal) == [1, 3]


async def test_a_record_survives_a_restart_just_before_it(journal: PostgresJournal, postgres: PostgresProcess) -> None:
    await record(journal, 1)
    postgres.stop()
    postgres.start()
    await record(journal, 2)
    assert await pushes(journal) == [1, 2]


async def test_a_connection_that_is_cut_costs_no_record(journal: PostgresJournal, server: PostgresServer) -> None:
    other = await asyncpg.connect(server.url)
    for push in range(1, 20):
        await record(journal, push)
        await other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    await other.close()
    assert await pushes(journal) == list(range(1, 20))


async def test_gives_up_on_a_server_that_hangs_within_its_time(
    server: PostgresServer, postgres: PostgresProcess
) -> None:
    journal = PostgresJournal(server)
    await journal.open()
    await record(journal, 1)
    postgres.suspend(suspended=True)
    try:
        await is_refused(journal, 2, "took no record within 2 s")
        await is_refused(journal, 3, "took no record within 2 s")
    finally:
        postgres.suspend(suspended=False)
    await (await asyncpg.connect(server.url)).close()  # it goes on
    await record(journal, 4)
    assert {1, 4} <= set(await pushes(journal)) <= {1, 2, 3, 4}
    await journal.close()


async def test_goes_on_through_a_restart_and_loses_no_line(server: PostgresServer, postgres: PostgresProcess) -> None:
    events: list[Event] = []
    inner = patient(server)
    journal = DurableJournal(inner, on_failure=OnFailure.CONTINUE, clock=SystemClock(), emit=events.append)
    await journal.open()
    await record(journal, 1)
    postgres.stop(signal.SIGQUIT)
    for push in range(2, 30):
        await record(journal, push)
    postgres.start()
    await wait_until(lambda: not journal.degraded)
    await record(journal, 30)
    assert await pushes(inner) == list(range(1, 31))
    assert [type(event) for event in events] == [JournalFailed, JournalRecovered]
    assert events[1] == JournalRecovered(backlog=28, lost=0)
    await journal.close()


async def test_keepers_that_start_together_make_the_tables_once(server: PostgresServer) -> None:
    journals = [patient(server) for _ in range(5)]
    await asyncio.gather(*(journal.open() for journal in journals))
    await asyncio.gather(*(record(journal, push) for push, journal in enumerate(journals, start=1)))
    assert await pushes(journals[0]) == [1, 2, 3, 4, 5]
    for journal in journals:
        await journal.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.replace(QUOTED_PASSWORD, "wrong-secret"), "refuses user or password: correct JOURNAL_URL"),
        (lambda url: url.rpartition("/")[0] + "/nowhere", "has no such database: create it"),
        (lambda url: url.replace("@127.0.0.1:", "@127.0.0.2:"), "cannot be reached .*: is the server up"),
    ],
)
async def test_says_what_is_wrong_with_the_url_and_no_secret(
    server: PostgresServer, change: Callable[[str], str], words: str
) -> None:
    wrong = parse_journal_url(change(server.url))
    assert isinstance(wrong, PostgresServer)
    with pytest.raises(JournalError, match=words) as raised:
        await PostgresJournal(wrong).open()
    told: BaseException | None = raised.value
    while told is not None:
        assert not any(secret in f"{told} {told!r}" for secret in (PASSWORD, QUOTED_PASSWORD, "wrong-secret"))
        told = told.__cause__ or told.__context__


async def test_says_that_the_server_is_a_read_only_replica(journal: PostgresJournal, server: PostgresServer) -> None:
    await record(journal, 1)
    name = server.url.rpartition("/")[2]
    admin = await asyncpg.connect(server.url)
    await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await admin.close()
    replica = PostgresJournal(server)
    await replica.open()
    with pytest.raises(JournalError, match="is a read-only replica: name the primary"):
        await record(replica, 2)
    assert await pushes(replica) == [1]
    await replica.close()


async def test_a_check_finds_a_server_that_is_fit(server: PostgresServer, postgres: PostgresProcess) -> None:
    found = await check_journal(server)
    assert (found.state, found.detail) == (
        State.OK,
        f"{server} is there, its tables will be made or brought up to date",
    )
    journal = PostgresJournal(server)
    await journal.open()
    await journal.close()
    assert (await check_journal(server)).detail == f"{server} is there and up to date"
    postgres.stop()
    found = await check_journal(server)
    postgres.start()
    assert found.state is State.FAIL
    assert "is the server up" in found.detail


async def test_a_check_finds_what_the_user_may_not_do(server: PostgresServer) -> None:
    admin = await asyncpg.connect(server.url)
    await admin.execute(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
    await admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    guest = PostgresServer(server.url.replace("//keeper:", "//guest:"), server.label)
    assert (await check_journal(guest)).detail == f"{server} lets the user make no tables: grant CREATE on the schema"
    with pytest.raises(JournalError, match="grant it to create and to write tables"):
        await PostgresJournal(guest).open()
    await admin.execute(f"ALTER DATABASE {server.url.rpartition('/')[2]} SET default_transaction_read_only = on")
    await admin.close()
    assert (await check_journal(server)).detail == f"{server} is a read-only replica: name the primary in JOURNAL_URL"


@asynccontextmanager
async def watched(server: PostgresServer) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Waits until so many sessions of the database wait for a row that another one holds."""
    watcher = await asyncpg.connect(server.url)
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def until_waiting(sessions: int) -> None:
        async def are_waiting() -> bool:
            return bool(await watcher.fetchval(query) == sessions)

        await wait_until(are_waiting)

    try:
        yield until_waiting
    finally:
        await watcher.close()


async def test_the_next_term_begins_after_a_record_that_is_being_written_and_finds_it(
    journal: PostgresJournal, server: PostgresServer
) -> None:
    await journal.begin_term(ACCOUNT)
    await record(journal, 1)
    successor, other = patient(server), await asyncpg.connect(server.url)
    try:
        await successor.open()
        async with watched(server) as until_waiting, other.transaction():
            await other.execute("SELECT FROM keeper_pushes FOR UPDATE")
            replacing = Flight(1, 1, (*flight().attempts, f.attempt(2, f.plan(BTC))))
            writing = asyncio.create_task(journal.record(ACCOUNT, replacing, f.note(2, "signed", replacing.newest)))
            await until_waiting(1)
            beginning = asyncio.create_task(successor.begin_term(ACCOUNT))
            await until_waiting(2)
        assert await beginning == 2
        assert writing.done()
        (found,) = (await successor.recover(ACCOUNT)).flights
        assert [each.signed for each in found.attempts] == [each.signed for each in replacing.attempts]
    finally:
        await successor.close()
        await other.close()


async def test_a_record_waits_for_a_term_that_is_being_begun_and_is_refused(
    journal: PostgresJournal, server: PostgresServer
) -> None:
    await journal.begin_term(ACCOUNT)
    other = await asyncpg.connect(server.url)
    try:
        async with watched(server) as until_waiting, other.transaction():
            await other.execute("UPDATE keeper_terms SET epoch = epoch + 1")
            writing = asyncio.create_task(record(journal, 1))
            await until_waiting(1)
        with pytest.raises(MandateLost, match="is in term 2, and this keeper's was 1"):
            await writing
        assert await pushes(journal) == []
    finally:
        await other.close()
