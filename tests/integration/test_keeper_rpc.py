"""The keeper as a process over several endpoints: where its transactions go, and what it sees without asking."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

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
from tests.support.node import Node
from tests.support.proxy import FaultyProxy
from tests.support.relay import Relay
from tests.support.served_node import KEY
from tests.support.waiting import wait_until

SEND = "eth_sendRawTransaction"


@dataclass
class World:
    """Everything around the keeper."""

    anvil: Anvil
    node: Node
    simulator: HermesSimulator
    environ: dict[str, str]
    folder: Path

    async def jump(self) -> None:
        """A feed becomes due, in a second in which its price can be newer than before."""
        published = int(time.time())
        await wait_until(lambda: time.time() >= published + 1.1)
        self.simulator.publisher.jump(self.simulator.feed_ids[0], percent=Decimal(1))


@pytest.fixture
async def world(anvil: Anvil, node: Node, tmp_path: Path) -> AsyncIterator[World]:
    async with simulator_running(feeds=1) as simulator, devnet_contract(anvil, simulator) as contract:
        environ = environment(anvil.url, simulator, contract, tmp_path)
        yield World(anvil, node, simulator, environ, tmp_path)


async def confirmed(keeper: RunningKeeper, pushes: int) -> None:
    await wait_until(lambda: len(keeper.told("push_confirmed")) >= pushes)


async def requests(keeper: RunningKeeper) -> dict[str, int]:
    """By method, so far."""
    counted: dict[str, int] = (await keeper.network())["rpc_calls"]
    return counted


async def states(keeper: RunningKeeper) -> list[str]:
    """Of the endpoints."""
    return [endpoint["state"] for endpoint in (await keeper.network())["endpoints"]]


@pytest.mark.parametrize(("broadcast", "sent"), [("first", [1, 0]), ("all", [1, 1])])
async def test_broadcast_says_who_gets_a_transaction(world: World, broadcast: str, sent: list[int]) -> None:
    async with Relay(world.anvil.url) as one, Relay(world.anvil.url) as two:
        environ = world.environ | {"RPC_URL": f"{one.url},{two.url}", "BROADCAST": broadcast}
        async with keeper_running(environ, world.folder) as keeper:
            await confirmed(keeper, 1)
            await wait_until(lambda: [relay.requests.count(SEND) for relay in (one, two)] == sent)


async def test_an_endpoint_that_stands_by_is_asked_for_its_chain_and_for_a_second_opinion(world: World) -> None:
    async with Relay(world.anvil.url) as one, Relay(world.anvil.url) as two:
        environ = world.environ | {"RPC_URL": f"{one.url},{two.url}"}
        async with keeper_running(environ, world.folder) as keeper:
            await confirmed(keeper, 1)
            await world.jump()
            await confirmed(keeper, 2)
        assert set(two.requests) <= {"eth_chainId", "eth_blockNumber", "eth_getTransactionCount"}
        assert "eth_getTransactionCount" in two.requests


async def test_no_decision_is_lost_while_the_websocket_is_away(world: World) -> None:
    async with FaultyProxy(world.anvil.port) as proxy:
        environ = world.environ | {"RPC_URL": f"{proxy.ws_url},{world.anvil.url}", "EARLY_UPDATE": "never"}
        async with keeper_running(environ, world.folder) as keeper:
            await confirmed(keeper, 1)
            await wait_until(lambda: _has_subscribed(keeper, 2))
            await proxy.stop()
            await world.jump()
            await confirmed(keeper, 2)
            await proxy.start()
            await wait_until(lambda: _has_subscribed(keeper, 4))
            await world.jump()
            await confirmed(keeper, 3)
            assert await states(keeper) in (["healthy", "healthy"], ["half_open", "healthy"])
            network = await keeper.network()
            assert {outcome: count for outcome, count in network["pushes"].items() if count} == {"confirmed": 3}


async def _has_subscribed(keeper: RunningKeeper, times: int) -> bool:
    return (await requests(keeper)).get("eth_subscribe", 0) >= times


async def _are_healthy(keeper: RunningKeeper) -> bool:
    return await states(keeper) == ["healthy", "healthy"]


async def test_metrics_tell_of_every_endpoint_by_name(world: World) -> None:
    async with (
        Relay(world.anvil.url) as relay,
        keeper_running(world.environ | {"RPC_URL": f"{relay.url},{world.anvil.ws_url}"}, world.folder) as keeper,
    ):
        await confirmed(keeper, 1)
        await wait_until(lambda: _are_healthy(keeper))
        _, text = await keeper.get("/metrics")
        _, status = await keeper.get("/status")
    shown: list[dict[str, Any]] = status["networks"][0]["endpoints"]
    for endpoint in shown:
        name = endpoint["name"]
        assert f'keeper_rpc_request_seconds_count{{network="evm",endpoint="{name}",outcome="ok"}}' in text
    assert KEY not in f"{text} {status}"
