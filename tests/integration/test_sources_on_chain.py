"""Two sources and a real contract: one whose signers it does not trust is out, and the other's update lands."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from keeper.lab.anvil import DEV_ADDRESS, Anvil
from keeper.lab.hermes import HermesSimulator
from keeper.lab.hermes.signers import impostor_keys
from tests.support.keeper_process import (
    RunningKeeper,
    devnet_contract,
    environment,
    keeper_running,
    simulator_running,
)
from tests.support.node import Node
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

PATIENCE_S = 30.0
DEBOUNCE_S = 8


@dataclass
class World:
    """A contract that trusts one of two simulators."""

    trusted: HermesSimulator
    other: HermesSimulator
    environ: dict[str, str]
    folder: Path

    def with_sources(self, *simulators: HermesSimulator, **environ: str) -> dict[str, str]:
        return self.environ | {"HERMES_URL": ",".join(simulator.url for simulator in simulators)} | environ


def name(simulator: HermesSimulator) -> str:
    return simulator.url.removeprefix("http://")


@pytest.fixture
async def world(anvil: Anvil, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The other one is signed by strangers, unless the test has it otherwise."""
    how: dict[str, Any] = getattr(request, "param", {"signer_keys": impostor_keys(1)})
    async with (
        simulator_running(feeds=3) as trusted,
        simulator_running(feeds=3, **how) as other,
        devnet_contract(anvil, trusted) as contract,
    ):
        yield World(trusted, other, environment(anvil.url, trusted, contract, tmp_path), tmp_path)


async def trust(keeper: RunningKeeper) -> dict[str, str]:
    return {row["source"]: row["state"] for row in (await keeper.network())["sources"]}


async def transactions(node: Node) -> int:
    """How many of the account are mined."""
    return int(await node.request("eth_getTransactionCount", DEV_ADDRESS, "latest"), 16)


async def jump(world: World) -> None:
    """One feed moves by as much at both, first where nobody should listen."""
    feed = world.trusted.feed_ids[0]
    world.other.publisher.jump(feed, percent=Decimal(1))
    world.trusted.publisher.jump(feed, percent=Decimal(1))


@pytest.mark.parametrize("first", ["trusted", "other"])
async def test_a_source_signed_by_others_is_out_before_it_costs_anything(world: World, node: Node, first: str) -> None:
    """Whichever is heard first."""
    last = {"trusted": world.other, "other": world.trusted}[first]
    before = await transactions(node)
    await last.control({"action": "refuse", "how": "503", "routes": "all"})
    async with keeper_running(world.with_sources(world.other, world.trusted), world.folder) as keeper:

        async def knows_both() -> bool:
            return await trust(keeper) == {name(world.other): "refused", name(world.trusted): "trusted"}

        first_end = {"trusted": "push_confirmed", "other": "push_dropped"}[first]
        await wait_until(lambda: keeper.told(first_end), timeout_s=PATIENCE_S)
        await last.control({"action": "refuse", "how": None})
        await wait_until(knows_both, timeout_s=PATIENCE_S)
        await wait_until(lambda: keeper.told("push_confirmed"), timeout_s=PATIENCE_S)
        await jump(world)
        await wait_until(lambda: len(keeper.told("push_confirmed")) >= 2, timeout_s=PATIENCE_S)
        assert len(keeper.told("source_distrusted")) == 1
        assert await transactions(node) == before + 2
        if first == "trusted":
            assert keeper.told("push_dropped") == []
        status, health = await keeper.get("/health")
        assert (status, health["components"]["network:evm"]["status"]) == (200, "degraded")
        assert "InvalidWormholeVaa" in health["components"]["network:evm"]["why"]
        _, text = await keeper.get("/metrics")
        refused = f'keeper_source_trust{{network="evm",source="{name(world.other)}",state="refused"}} 1'
        assert refused in text


@pytest.mark.parametrize("world", [{}], indirect=True)
async def test_one_that_begins_to_forge_is_refused_on_chain_and_the_next_lands_in_the_same_round(world: World) -> None:
    environ = world.with_sources(
        world.other,
        world.trusted,
        MIN_PRICE_CHANGE_PERCENT="0.5",
        DEBOUNCE_MS=f"{DEBOUNCE_S * 1000}",
        RETRY_DELAY_MS=f"{2 * DEBOUNCE_S * 1000}",
    )
    async with keeper_running(environ, world.folder) as keeper:

        async def both_are_trusted() -> bool:
            return list((await trust(keeper)).values()) == ["trusted", "trusted"]

        await wait_until(lambda: keeper.told("push_confirmed"), timeout_s=PATIENCE_S)
        await wait_until(both_are_trusted, timeout_s=PATIENCE_S)
        await world.trusted.control({"action": "delay", "stream_ms": 300})  # whoever tells a second first is believed
        await world.other.control({"action": "forge"})
        await jump_until(world, lambda: keeper.told("source_distrusted"))
        (reverted,) = keeper.told("push_reverted")
        following = await next_line(keeper, after=reverted)
        assert following["message"] == "push_confirmed"
        assert following["feeds"] == reverted["feeds"]
        assert seconds_between(reverted, following) < DEBOUNCE_S / 2, "it waits for no window"
        assert await trust(keeper) == {name(world.other): "refused", name(world.trusted): "trusted"}


@pytest.mark.parametrize("world", [{}], indirect=True)
async def test_one_that_begins_to_forge_costs_nothing_where_the_contract_names_who_signs(world: World) -> None:
    environ = world.with_sources(world.other, world.trusted, HERMES_SIGNERS="contract", MIN_PRICE_CHANGE_PERCENT="0.5")
    async with keeper_running(environ, world.folder) as keeper:
        await wait_until(lambda: keeper.told("push_confirmed"), timeout_s=PATIENCE_S)
        assert (await keeper.network())["signers"] == {
            "named_by": "contract",
            "number": 0,
            "signers": 1,
            "quorum": 1,
            "detail": "",
        }
        await world.other.control({"action": "forge"})
        await jump_until(world, lambda: keeper.told("source_distrusted"))
        (told,) = keeper.told("source_distrusted")
        assert "is not by a signer that the contract trusts" in told["reason"]
        assert keeper.told("push_reverted") == []


async def jump_until(world: World, condition: Callable[[], object]) -> None:
    """Some feed is due in every second until the condition holds."""

    async def keep_jumping() -> None:
        while True:
            await jump(world)
            await asyncio.sleep(0.3)

    jumping = asyncio.create_task(keep_jumping())
    try:
        await wait_until(condition, timeout_s=PATIENCE_S)
    finally:
        jumping.cancel()


async def next_line(keeper: RunningKeeper, *, after: dict[str, Any]) -> dict[str, Any]:
    """The end of the push that follows."""

    def ended() -> list[dict[str, Any]]:
        return [line for line in keeper.lines if line.get("push") == after["push"] + 1 and "outcome" in line]

    await wait_until(ended, timeout_s=PATIENCE_S)
    return ended()[0]


def seconds_between(earlier: dict[str, Any], later: dict[str, Any]) -> float:
    first, second = (datetime.fromisoformat(line["timestamp"]) for line in (earlier, later))
    return (second - first).total_seconds()
