"""Several networks in one keeper: each fails alone, and comes back by itself."""

import time
from decimal import Decimal
from pathlib import Path

import pytest

from keeper.lab.hermes import HermesSimulator
from tests.support.keeper_process import RunningKeeper, keeper_running, simulator_running
from tests.support.several import common, confirmed, networks, three_chains
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

LONG_MS = "120000"
"""Whoever waited for what a network that fails does next would wait for longer than a test has patience."""


async def pushed(keeper: RunningKeeper, simulator: HermesSimulator, *names: str) -> None:
    """Move a price, and wait until each of these networks has confirmed one more push."""
    published = int(time.time())
    await wait_until(lambda: time.time() >= published + 1.2)
    before = await confirmed(keeper)
    simulator.publisher.jump(simulator.feed_ids[0], percent=Decimal(1))

    async def all_pushed() -> bool:
        now = await confirmed(keeper)
        return all(now[name] > before[name] for name in names)

    await wait_until(all_pushed)


async def test_one_network_of_three_fails_alone_and_comes_back(anvil_binary: Path, tmp_path: Path) -> None:
    async with (
        simulator_running(feeds=3) as simulator,
        three_chains(anvil_binary, tmp_path, simulator) as chains,
        keeper_running(common(simulator, tmp_path), tmp_path, "--config", str(chains.config())) as keeper,
    ):
        await wait_until(lambda: _all_pushed_once(keeper))
        await pushed(keeper, simulator, "red", "green", "blue")

        await chains.end("green")
        for _ in range(5):
            await pushed(keeper, simulator, "red", "blue")

        await wait_until(lambda: _is_named_unwell(keeper, "green"))
        status, health = await keeper.get("/health")
        assert (status, health["status"]) == (200, "degraded")
        assert health["components"]["network:red"]["status"] == "healthy"

        await chains.start("green")
        before = await confirmed(keeper)
        await wait_until(lambda: _has_pushed_since(keeper, "green", before["green"]))
        await pushed(keeper, simulator, "red", "green", "blue")
        assert all(network["account"] for network in (await networks(keeper)).values())


async def _all_pushed_once(keeper: RunningKeeper) -> bool:
    return all((await confirmed(keeper)).values())


async def _has_pushed_since(keeper: RunningKeeper, name: str, pushes: int) -> bool:
    return (await confirmed(keeper))[name] > pushes


async def _is_named_unwell(keeper: RunningKeeper, name: str) -> bool:
    _, health = await keeper.get("/health")
    return any(
        part["status"] != "healthy" and (component == f"network:{name}" or component.startswith(f"rpc:{name}/"))
        for component, part in health["components"].items()
    )


async def test_a_network_of_another_chain_than_said_is_not_ready_and_disturbs_no_other(
    anvil_binary: Path, tmp_path: Path
) -> None:
    async with (
        simulator_running(feeds=3) as simulator,
        three_chains(anvil_binary, tmp_path, simulator) as chains,
        keeper_running(
            common(simulator, tmp_path), tmp_path, "--config", str(chains.config(green={"chain_id": "1"}))
        ) as keeper,
    ):
        await wait_until(lambda: _has_pushed_since(keeper, "red", 0))
        green = (await networks(keeper))["green"]
        assert not green["ready"]
        assert "serve chain 31338, and CHAIN_ID says 1" in green["detail"]
        assert green["pushes"]["confirmed"] == 0
