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

LEASE_S = 5
MUTUAL = {"COORDINATION": "postgres", "LEASE_DURATION_MS": str(LEASE_S * 1000)}


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

    async def is_there() -> bool:
        return await world.is_fresh()

    deadline = time.monotonic() + PATIENCE_S
    while not await is_there():
        assert time.monotonic() < deadline, "the price is not on chain"
        await asyncio.sleep(0.1)


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
        await asyncio.sleep(1)
        assert await world.mined() == before + 1
