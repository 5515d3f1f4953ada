"""A keeper whose RPC endpoints fail and lie: it goes on by the others, or as soon as they are well again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keeper.lab.anvil import Anvil
from tests.support.fault_world import PATIENCE_S, FaultWorld, Record, fault_world
from tests.support.faults import fall_in_earnest, relays
from tests.support.keeper_process import RunningKeeper
from tests.support.node import Node
from tests.support.proxy import FaultyProxy
from tests.support.relay import Ill
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

FAULT_S = 2.0
OUTAGE_S = 5.0
A_MINUTE_S = 60.0
ILLS = [ill for ill in Ill if ill is not Ill.NOTHING]


@pytest.fixture
async def world(anvil: Anvil, node: Node, tmp_path: Path, record_property: Record) -> AsyncIterator[FaultWorld]:
    async with fault_world(anvil, node, tmp_path, record_property) as built:
        yield built


@pytest.mark.parametrize("ill", ILLS)
async def test_alone_it_makes_up_for_what_was_due_when_the_fault_is_over(world: FaultWorld, ill: Ill) -> None:
    async with relays(world, 1) as (relay,), world.keeper(MONITORING_INTERVAL_MS="500"):
        await fall_in_earnest(relay, ill)
        await world.jump()
        await asyncio.sleep(FAULT_S)
        await relay.heal()
        world.record("recovery_s", await world.price_lands())
        await world.jump()
        await world.price_lands()


@pytest.mark.parametrize("ill", ILLS)
async def test_as_one_of_five_it_is_hardly_noticed(world: FaultWorld, ill: Ill) -> None:
    async with relays(world, 5) as (first, *_), world.keeper(MONITORING_INTERVAL_MS="500"):
        await fall_in_earnest(first, ill)
        await world.jump()
        world.record("recovery_s", await world.price_lands())
        await world.jump(feed=1)
        world.record("next_push_s", await world.price_lands(feed=1))
        await first.heal()
        await world.jump()
        await world.price_lands()


@pytest.mark.parametrize("ill", [Ill.REFUSES, Ill.HANGS])
async def test_all_are_down_for_long_and_back(world: FaultWorld, ill: Ill) -> None:
    async with relays(world, 5) as all_of_them, world.keeper():
        await asyncio.gather(*(relay.fall(ill) for relay in all_of_them))
        await world.jump()
        await asyncio.sleep(OUTAGE_S)
        await asyncio.gather(*(relay.heal() for relay in all_of_them))
        world.record("recovery_s", await world.price_lands())


@pytest.mark.timeout(180)
async def test_all_are_down_for_a_minute_and_back(world: FaultWorld) -> None:
    async with relays(world, 5) as all_of_them, world.keeper() as keeper:
        landed = await world.mined()
        await asyncio.gather(*(relay.fall(Ill.REFUSES) for relay in all_of_them))
        await world.jump()
        await asyncio.sleep(A_MINUTE_S / 2)
        status, health = await keeper.get("/health")
        assert status == 503
        assert "connection refused" in health["components"]["network:evm"]["why"]
        assert (await keeper.get("/health/live"))[0] == 200
        await asyncio.sleep(A_MINUTE_S / 2)
        await world.jump()
        await wait_until(lambda: _has_heard(world, keeper), timeout_s=PATIENCE_S)
        await asyncio.gather(*(relay.heal() for relay in all_of_them))
        world.record("recovery_s", await world.price_lands())
        assert await world.mined() == landed + 1, "only the newest price is paid for"
        await wait_until(lambda: _is_healthy(keeper), timeout_s=PATIENCE_S)


async def test_a_socket_that_is_open_and_dead_is_found_out(world: FaultWorld) -> None:
    async with FaultyProxy(world.anvil.port) as proxy:
        world.environ["RPC_URL"] = f"{proxy.ws_url},{world.anvil.url}"
        async with world.keeper() as keeper:
            proxy.fall_silent()
            await world.jump()
            world.record("recovery_s", await world.price_lands())
            await world.jump(feed=1)
            world.record("next_push_s", await world.price_lands(feed=1))
            proxy.speak_again()
            await wait_until(lambda: _is_well(keeper, 0), timeout_s=PATIENCE_S)
            await world.jump()
            await world.price_lands()


async def test_alone_a_socket_that_was_dead_is_used_again(world: FaultWorld) -> None:
    async with FaultyProxy(world.anvil.port) as proxy:
        world.environ["RPC_URL"] = proxy.ws_url
        async with world.keeper():
            proxy.fall_silent()
            await world.jump()
            await asyncio.sleep(FAULT_S)
            proxy.speak_again()
            world.record("recovery_s", await world.price_lands())


async def _has_heard(world: FaultWorld, keeper: RunningKeeper) -> bool:
    """Whether the newest price of the first feed has reached the keeper."""
    shown = (await keeper.network())["feeds"][0]["source"]
    return int(shown["price"]) == world.simulator.publisher.market.feeds[0].quote.price


async def _is_well(keeper: RunningKeeper, place: int) -> bool:
    return bool((await keeper.network())["endpoints"][place]["healthy"])


async def _is_healthy(keeper: RunningKeeper) -> bool:
    return (await keeper.get("/health"))[0] == 200
