"""Keepers that agree by PostgreSQL: real processes, a real server, one chain, one account."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from keeper.coordination.postgres import PostgresLeases
from keeper.domain.errors import Transient
from keeper.journal.address import PostgresServer, parse_journal_url
from keeper.journal.postgres import PostgresJournal
from keeper.lab.anvil import Anvil
from tests.support.crash_world import PATIENCE_S, CrashWorld, crash_world
from tests.support.keeper_process import RunningKeeper
from tests.support.lease_contract import LeaseStoreContract, MakeStore
from tests.support.node import Node
from tests.support.postgres import PASSWORD, PostgresProcess
from tests.support.waiting import wait_until

LEASE_S = 10
"""A mandate is not at once in doubt where a busy machine is late with a renewal, which comes every fifth of it."""
MUTUAL = {"COORDINATION": "postgres", "LEASE_DURATION_MS": str(LEASE_S * 1000)}
LONG = MUTUAL | {"LEASE_DURATION_MS": "60000"}
"""Its end is not waited for."""


@pytest.fixture
async def server(postgres: PostgresProcess) -> PostgresServer:
    """An empty database with the tables in it."""
    server = parse_journal_url(await postgres.new_database())
    assert isinstance(server, PostgresServer)
    journal = PostgresJournal(server)
    await journal.open()
    await journal.close()
    return server


class TestPostgresLeases(LeaseStoreContract):
    @pytest.fixture
    def make(self, server: PostgresServer) -> MakeStore:
        return lambda: PostgresLeases(server.url, server.label)


async def test_a_server_that_is_gone_is_told_without_its_password() -> None:
    store = PostgresLeases(f"postgresql://keeper:{PASSWORD[:8]}@127.0.0.1:1/none", "127.0.0.1:1/none")
    with pytest.raises(Transient, match=r"the leases at 127\.0\.0\.1:1/none cannot be used") as told:
        await store.read()
    assert PASSWORD[:8] not in str(told.value)


@pytest.fixture
async def world(
    anvil: Anvil,
    node: Node,
    tmp_path: Path,
    postgres: PostgresProcess,
    record_property: Callable[[str, object], None],
) -> AsyncIterator[CrashWorld]:
    url = await postgres.new_database()
    async with crash_world(anvil, node, journal_url=url, folder=tmp_path, record=record_property) as world:
        yield world


def leads(keeper: RunningKeeper) -> bool:
    """By the last word of its log."""
    told = [line["message"] for line in keeper.lines if line["message"] in {"leadership_gained", "leadership_lost"}]
    return told[-1:] == ["leadership_gained"]


async def pushed(world: CrashWorld) -> None:
    """The price that is due now is on chain."""
    await wait_until(world.is_fresh, timeout_s=PATIENCE_S)


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM], ids=["killed", "frozen", "ended"])
async def test_another_one_takes_over_and_each_decision_lands_once(
    world: CrashWorld, fault: signal.Signals, record_property: Callable[[str, object], None]
) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(world.keeper(**MUTUAL))
        await wait_until(lambda: bool(first.told("push_confirmed")), timeout_s=PATIENCE_S)
        second = await stack.enter_async_context(world.keeper(**MUTUAL))
        assert leads(first)
        assert not leads(second)
        status, _ = await second.get("/health/ready")
        assert status == 200, "a standby is ready"
        before = await world.mined()
        first.signal(fault)
        began = time.monotonic()
        await wait_until(lambda: leads(second), timeout_s=PATIENCE_S)
        took_s = time.monotonic() - began
        record_property("takeover_s", round(took_s, 3))
        assert took_s < LEASE_S + 3, "a lease and a second, and some for a busy machine"
        await world.jump()
        await pushed(world)
        if fault is signal.SIGSTOP:
            first.signal(signal.SIGCONT)
            await wait_until(lambda: not leads(first), timeout_s=PATIENCE_S)
            assert leads(second), "who was frozen stands by"
            await world.prices_later(first)
        await world.prices_later(second)
        assert await world.mined() == before + 1


async def test_a_planned_handover_takes_less_than_a_second(
    world: CrashWorld, record_property: Callable[[str, object], None]
) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(world.keeper(**LONG))
        await wait_until(lambda: bool(first.told("push_confirmed")), timeout_s=PATIENCE_S)
        second = await stack.enter_async_context(world.keeper(**LONG))
        began = time.monotonic()
        first.signal(signal.SIGTERM)
        await wait_until(lambda: leads(second), timeout_s=PATIENCE_S)
        took_s = time.monotonic() - began
        record_property("handover_s", round(took_s, 3))
        assert took_s < 1


async def test_a_server_that_restarts_ends_no_term(world: CrashWorld, postgres: PostgresProcess) -> None:
    async with world.settled_keeper(**LONG) as first, world.keeper(**LONG) as second:
        await asyncio.to_thread(postgres.stop, signal.SIGINT)
        await wait_until(lambda: bool(first.told("coordination_failed")), timeout_s=PATIENCE_S)
        await asyncio.to_thread(postgres.start)
        await wait_until(lambda: bool(first.told("coordination_recovered")), timeout_s=PATIENCE_S)
        await world.jump()
        await pushed(world)
        assert leads(first)
        assert not first.told("leadership_lost")
        assert not second.told("leadership_gained")
    await world.assert_books_match()


async def test_while_the_server_is_gone_the_mandate_ends_within_its_deadline_and_nothing_is_sent(
    world: CrashWorld, postgres: PostgresProcess, record_property: Callable[[str, object], None]
) -> None:
    async with world.settled_keeper(**MUTUAL) as first, world.keeper(**MUTUAL) as second:
        before = await world.mined()
        await asyncio.to_thread(postgres.stop, signal.SIGINT)
        try:
            began = time.monotonic()
            await wait_until(lambda: not leads(first), timeout_s=PATIENCE_S)
            took_s = time.monotonic() - began
            record_property("mandate_ended_s", round(took_s, 3))
            assert took_s < LEASE_S * 3 / 5 + 0.5, "three fifths of a lease, and some for a busy machine"
            await world.jump()
            await wait_until(lambda: time.monotonic() > began + LEASE_S)
            await world.prices_later(first, second)
            assert not leads(second)
            assert await world.mined() == before
        finally:
            await asyncio.to_thread(postgres.start)
        await wait_until(lambda: leads(first) or leads(second), timeout_s=PATIENCE_S)
        await pushed(world)
        assert await world.mined() == before + 1
        assert not (leads(first) and leads(second))
    await world.assert_books_match()


async def test_a_second_one_that_agrees_with_nobody_ends_the_first_by_their_common_journal(
    world: CrashWorld,
) -> None:
    alone = {"COORDINATION": "none"}
    async with world.settled_keeper(**alone) as first, world.keeper(**alone) as second:
        await wait_until(lambda: has_begun(second), timeout_s=PATIENCE_S)
        await world.jump()
        async with asyncio.timeout(PATIENCE_S):
            assert await first.process.wait() == 2
        await pushed(world)
        assert await world.mined() == 2
    await world.assert_books_match()


async def has_begun(keeper: RunningKeeper) -> bool:
    """Whether its chain was read, and it would send."""
    network = await keeper.network()
    return bool(network["ready"] and network["nonce"] is not None)
