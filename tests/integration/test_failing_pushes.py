"""A keeper whose pushes fail again and again: what it says of that, and that it goes on by itself."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from keeper.lab.anvil import Anvil
from keeper.lab.hermes import HermesSimulator
from tests.support.keeper_process import (
    RunningKeeper,
    devnet_contract,
    environment,
    keeper_running,
    simulator_running,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

PATIENCE_S = 30.0


@pytest.fixture
async def simulator() -> AsyncIterator[HermesSimulator]:
    async with simulator_running(feeds=2) as running:
        yield running


@pytest.fixture
async def keeper(anvil: Anvil, simulator: HermesSimulator, tmp_path: Path) -> AsyncIterator[RunningKeeper]:
    """One that has made its first push, and does not rest for long after a failure."""
    async with devnet_contract(anvil, simulator) as contract:
        environ = environment(anvil.url, simulator, contract, tmp_path)
        async with keeper_running(environ | {"RETRY_DELAY_MS": "20", "DEBOUNCE_MS": "0"}, tmp_path) as running:
            await wait_until(lambda: running.told("push_confirmed"), timeout_s=PATIENCE_S)
            yield running


async def keep_jumping(simulator: HermesSimulator) -> None:
    """Some feed is due in every second."""
    while True:
        simulator.publisher.jump(simulator.feed_ids[0], percent=Decimal(1))
        await asyncio.sleep(0.3)


async def test_five_failures_are_critical_and_health_says_why_until_a_push_passes(
    keeper: RunningKeeper, simulator: HermesSimulator
) -> None:
    confirmed = len(keeper.told("push_confirmed"))
    await simulator.control({"action": "forge"})
    jumping = asyncio.create_task(keep_jumping(simulator))
    try:
        await wait_until(lambda: keeper.told("failing_repeatedly"), timeout_s=PATIENCE_S)
        status, health = await keeper.get("/health")
        assert status == 503
        assert health["consecutive_failures"] >= 5
        assert "InvalidWormholeVaa" in health["components"]["network:evm"]["why"]
        assert (await keeper.get("/health/live"))[0] == 200
        shown = await keeper.network()
        assert shown["consecutive_failures"] >= 5
        assert shown["pushes"]["reverted"] == 1
        assert shown["pushes"]["dropped"] >= 4
        await simulator.control({"action": "forge", "on": False})
        await wait_until(lambda: len(keeper.told("push_confirmed")) > confirmed, timeout_s=PATIENCE_S)
        assert (await keeper.get("/health"))[0] == 200
    finally:
        jumping.cancel()
    (told,) = keeper.told("failing_repeatedly")
    assert (told["level"], told["failures"]) == ("critical", 5)
    assert "InvalidWormholeVaa" in told["cause"]
