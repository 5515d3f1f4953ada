"""`keeper run` as an operator lives with it: a real process, a real node and contract, real sockets."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from keeper.lab.anvil import Anvil
from keeper.lab.hermes import HermesSimulator
from tests.support.keeper_process import (
    STOP_S,
    RunningKeeper,
    devnet_contract,
    environment,
    keeper_running,
    simulator_running,
)
from tests.support.node import Node
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

UPDATE_TOPIC = "0xd06a6b7f4918494b3719217d1802786c1f5112a6c1d88fe2cfec00b4584f6aec"


@dataclass
class World:
    """Everything around the keeper."""

    anvil: Anvil
    node: Node
    simulator: HermesSimulator
    contract: str
    environ: dict[str, str]
    folder: Path

    async def blocks(self) -> int:
        return int(await self.node.request("eth_blockNumber"), 16)

    async def writes_since(self, block: int) -> list[dict[str, Any]]:
        """The contract's PriceFeedUpdate events after a block."""
        logs: list[dict[str, Any]] = await self.node.request(
            "eth_getLogs",
            {"fromBlock": hex(block + 1), "toBlock": "latest", "address": self.contract, "topics": [UPDATE_TOPIC]},
        )
        return logs


@pytest.fixture
async def world(anvil: Anvil, node: Node, tmp_path: Path) -> AsyncIterator[World]:
    async with simulator_running(feeds=10) as simulator, devnet_contract(anvil, simulator) as contract:
        environ = environment(anvil.url, simulator, contract, tmp_path)
        yield World(anvil, node, simulator, contract, environ, tmp_path)


async def confirmed(keeper: RunningKeeper, pushes: int) -> None:
    """Wait until so many pushes are confirmed."""
    await wait_until(lambda: len(keeper.told("push_confirmed")) >= pushes)


async def a_second_passes() -> None:
    """Publish times have whole seconds: a price is newer only in the next one."""
    published = int(time.time())
    await wait_until(lambda: time.time() >= published + 1.2)


async def test_first_prices_land_on_chain(world: World) -> None:
    async with keeper_running(world.environ, world.folder) as keeper:
        await confirmed(keeper, 1)
        network = await keeper.network()
        assert network["pushes"]["confirmed"] == 1
        assert {feed["on_chain"]["price"] for feed in network["feeds"]} <= {
            feed["source"]["price"] for feed in network["feeds"]
        }
        assert len(await world.writes_since(0)) == 10


async def test_a_jump_is_on_chain_at_once_and_pays_for_one_feed_of_ten(world: World) -> None:
    async with keeper_running(world.environ | {"DEBOUNCE_MS": "1000"}, world.folder) as keeper:
        await confirmed(keeper, 1)
        await a_second_passes()
        block = await world.blocks()
        world.simulator.publisher.jump(world.simulator.feed_ids[3], percent=Decimal(1))
        await confirmed(keeper, 2)
        (write,) = await world.writes_since(block)
        assert write["topics"][1] == "0x" + world.simulator.feed_ids[3]
        transaction = await world.node.request("eth_getTransactionByHash", write["transactionHash"])
        assert int(transaction["value"], 16) == 1
        assert keeper.told("push_confirmed")[1]["gas_used"] < 110_000


async def test_a_push_is_one_request_and_looks_for_its_receipt(world: World) -> None:
    async with keeper_running(world.environ, world.folder) as keeper:
        await confirmed(keeper, 1)
        before = (await keeper.network())["rpc_calls"]
        for push in range(2, 5):
            await a_second_passes()
            world.simulator.publisher.jump(world.simulator.feed_ids[0], percent=Decimal(1))
            await confirmed(keeper, push)
        after = (await keeper.network())["rpc_calls"]
        spent = {
            method: count - before.get(method, 0) for method, count in after.items() if count != before.get(method)
        }
        assert spent.pop("eth_sendRawTransaction") == 3
        assert set(spent) <= {"eth_getTransactionReceipt", "eth_getBlockByNumber"}


async def test_sigusr1_pushes_all_feeds_and_waits_for_no_window(world: World) -> None:
    async with keeper_running(world.environ | {"DEBOUNCE_MS": "3600000"}, world.folder) as keeper:
        await confirmed(keeper, 1)
        await a_second_passes()
        block = await world.blocks()
        keeper.signal(signal.SIGUSR1)
        await wait_until(lambda: len(keeper.told("push_confirmed")) == 2)
        assert len(await world.writes_since(block)) == 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_exit_code_0(world: World, number: signal.Signals) -> None:
    async with keeper_running(world.environ, world.folder) as keeper:
        await confirmed(keeper, 1)
        keeper.signal(number)
        async with asyncio.timeout(STOP_S):
            assert await keeper.process.wait() == 0


async def test_ending_it_waits_for_the_push_in_flight(world: World) -> None:
    async with keeper_running(world.environ, world.folder) as keeper:
        await confirmed(keeper, 1)
        await a_second_passes()
        await world.node.request("evm_setAutomine", False)
        world.simulator.publisher.jump(world.simulator.feed_ids[0], percent=Decimal(1))
        await wait_until(lambda: _pooled(world.node))
        keeper.signal(signal.SIGTERM)
        await world.node.request("anvil_mine")
        async with asyncio.timeout(STOP_S):
            assert await keeper.process.wait() == 0
    assert keeper.told("push_confirmed")[-1]["push"] == 2


async def _pooled(node: Node) -> bool:
    status = await node.request("txpool_status")
    return int(status["pending"], 16) == 1


async def test_losing_the_stream_leaves_no_second_without_a_price(world: World) -> None:
    async with keeper_running(world.environ | {"DEBOUNCE_MS": "0"}, world.folder) as keeper:
        await confirmed(keeper, 1)
        await world.simulator.control({"action": "drop"})
        await world.simulator.control({"action": "refuse", "how": "reset"})
        await wait_until(lambda: keeper.told("source_lost"))
        await a_second_passes()
        world.simulator.publisher.jump(world.simulator.feed_ids[0], percent=Decimal(1))
        await confirmed(keeper, 2)
        lost = keeper.told("source_lost")[0]["timestamp"]
        await wait_until(lambda: _polled_since(keeper, lost))
        assert _seconds_between(lost, _polled_since(keeper, lost)[0]) < 1
        status, health = await keeper.get("/health")
        assert (status, health["status"]) == (200, "degraded")
        await world.simulator.control({"action": "reset"})
        await wait_until(lambda: _health_is(keeper, "healthy"))


def _polled_since(keeper: RunningKeeper, lost: str) -> list[str]:
    return [line["timestamp"] for line in keeper.told("source_polling") if line["timestamp"] >= lost]


def _seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


async def _health_is(keeper: RunningKeeper, status: str) -> bool:
    _, health = await keeper.get("/health")
    return bool(health["status"] == status)


async def test_a_node_that_dies_is_told_and_the_next_one_is_used(world: World) -> None:
    dead_first = world.environ | {"RPC_URL": f"http://127.0.0.1:9,{world.anvil.url}"}
    async with keeper_running(dead_first, world.folder) as keeper:
        await confirmed(keeper, 1)
        first, second = (await keeper.network())["endpoints"]
        assert (first["healthy"], second["healthy"]) == (False, True)


async def test_pushes_over_websocket(world: World) -> None:
    async with keeper_running(world.environ | {"RPC_URL": world.anvil.ws_url}, world.folder) as keeper:
        await confirmed(keeper, 1)


async def test_without_a_node_it_keeps_running_and_says_why(world: World) -> None:
    nowhere = world.environ | {"RPC_URL": "http://127.0.0.1:9"}
    async with keeper_running(nowhere, world.folder, ready=False) as keeper:
        await wait_until(lambda: keeper.told("chain_read_failed"))
        status, health = await keeper.get("/health")
        assert status == 503
        assert health["components"]["network:evm"]["status"] == "unhealthy"
        assert (await keeper.get("/health/live"))[0] == 200
        assert (await keeper.get("/health/ready"))[0] == 503
        assert keeper.process.returncode is None


async def test_a_dry_run_sends_nothing(world: World) -> None:
    async with keeper_running(world.environ, world.folder, "--dry-run") as keeper:
        await wait_until(lambda: keeper.told("push_planned"))
        assert await world.writes_since(0) == []
        assert (await keeper.network())["dry_run"] is True


async def test_metrics_have_their_promised_names(world: World) -> None:
    async with keeper_running(world.environ, world.folder) as keeper:
        await confirmed(keeper, 1)
        _, text = await keeper.get("/metrics")
        names = {line.partition("{")[0].partition(" ")[0] for line in text.splitlines() if not line.startswith("#")}
        assert {
            "price_updates_total",
            "tx_latency_seconds_bucket",
            "price_change_percent",
            "sse_connection_status",
            "gas_cost_gwei",
            "last_update_age_seconds",
        } <= names


async def test_bad_settings_are_listed_together_and_no_secret_is_shown(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "PRIVATE_KEY=0xsecretsecretsecret\nRPC_URL=ftp://node\nCONTRACT_ADDRESS=0x12\nPRICE_FEED_IDS=zz,zz\nDEBOUNCE_MS=-1\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(_keeper_command()), cwd=tmp_path, env={"PATH": "/usr/bin"}, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    told = errors.decode()
    assert process.returncode == 2
    assert "Traceback" not in told
    assert "secretsecret" not in told
    for name in ("PRIVATE_KEY", "RPC_URL", "CONTRACT_ADDRESS", "PRICE_FEED_IDS", "DEBOUNCE_MS"):
        assert name in told


def _keeper_command() -> list[str]:
    from tests.support.keeper_process import KEEPER

    return [str(KEEPER), "run"]


async def test_a_port_in_use_is_one_clear_line(world: World) -> None:
    async with keeper_running(world.environ, world.folder) as keeper:
        port = keeper.url.rpartition(":")[2]
        process = await asyncio.create_subprocess_exec(
            *_keeper_command(),
            cwd=world.folder,
            env=world.environ | {"METRICS_PORT": port},
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate()
        assert process.returncode == 2
        assert port in errors.decode()
        assert "METRICS_PORT" in errors.decode()
