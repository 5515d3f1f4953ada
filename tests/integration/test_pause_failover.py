"""A pause outlives whoever was told of it: the successor of a killed leader pushes nothing until it is resumed."""

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from keeper.lab.anvil import Anvil
from tests.support.crash_world import PATIENCE_S, CrashWorld, crash_world
from tests.support.keeper_process import RunningKeeper
from tests.support.node import Node
from tests.support.postgres import PostgresProcess
from tests.support.waiting import wait_until

TOKEN = "correct-horse-battery-staple"
MUTUAL = {"COORDINATION": "postgres", "LEASE_DURATION_MS": "10000", "CONTROL_TOKEN": TOKEN}


@pytest.fixture
async def world(
    anvil: Anvil, node: Node, tmp_path: Path, postgres: PostgresProcess, record_property: Callable[[str, object], None]
) -> AsyncIterator[CrashWorld]:
    url = await postgres.new_database()
    async with crash_world(anvil, node, journal_url=url, folder=tmp_path, record=record_property) as world:
        yield world


async def order(keeper: RunningKeeper, action: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with keeper.session.post(f"{keeper.url}/v1/{action}", json={"by": "alice"}, headers=headers) as response:
        return response.status, await response.json()


async def test_the_successor_of_a_paused_leader_stays_paused_until_it_is_resumed(world: CrashWorld) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(world.keeper(**MUTUAL))
        await wait_until(lambda: first.told("push_confirmed"), timeout_s=PATIENCE_S)
        second = await stack.enter_async_context(world.keeper(**MUTUAL))
        assert not second.told("leadership_gained")
        status, body = await order(first, "pause")
        assert status == 200, body
        await wait_until(lambda: first.told("pushing_paused"), timeout_s=PATIENCE_S)

        first.signal(signal.SIGKILL)
        await wait_until(lambda: second.told("leadership_gained"), timeout_s=PATIENCE_S)
        before = await world.mined()
        await world.jump()

        async def would_push() -> bool:
            network = await second.network()
            return any(feed["verdict"] == "due" for feed in network["feeds"])

        await wait_until(would_push, timeout_s=PATIENCE_S)
        network = await second.network()
        assert network["leadership"]["held"]
        assert network["paused"]["by"].startswith("alice")
        assert (await order(second, "updates"))[0] == 409
        await world.prices_later(second)
        assert await world.mined() == before
        assert not second.told("push_planned")

        assert (await order(second, "resume"))[0] == 200
        await wait_until(world.is_fresh, timeout_s=PATIENCE_S)
        assert await world.mined() == before + 1
