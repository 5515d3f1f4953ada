"""What a keeper with ten feeds asks of its node, counted on the wire: next to nothing while nothing happens."""

import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from keeper.app.clock import SystemClock
from keeper.evm.rpc import RpcPool, transport
from keeper.lab.anvil import Anvil
from keeper.lab.hermes import HermesSimulator
from keeper.lab.multicall import place_multicall
from tests.support.counting import CountingProxy
from tests.support.keeper_process import (
    RunningKeeper,
    devnet_contract,
    environment,
    keeper_running,
    simulator_running,
)
from tests.support.node import Node
from tests.support.waiting import wait_until

FEEDS = 10
POLL_MS = 1000
POLLS = 5
HOURLY_POLLS = 12
"""`MONITORING_INTERVAL_MS` is five minutes by default."""
ONLY_IN_WHOLE_READS = ("eth_gasPrice", "eth_maxPriorityFeePerGas", "eth_feeHistory", "eth_getStorageAt")
BUDGET = 15
"""Requests an hour, idle, with a WebSocket."""
PATIENCE_S = 30


@pytest.fixture
async def chain(anvil_binary: Path) -> AsyncIterator[Anvil]:
    """With Multicall3, and a block every second."""
    async with Anvil(anvil_binary, block_time_s=1) as running:
        pool = RpcPool([transport("anvil", running.url)], clock=SystemClock())
        await pool.connect()
        await place_multicall(pool)
        await pool.close()
        yield running


@pytest.fixture
async def simulator() -> AsyncIterator[HermesSimulator]:
    async with simulator_running(feeds=FEEDS) as running:
        yield running


@pytest.fixture
async def environ(chain: Anvil, simulator: HermesSimulator, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    async with devnet_contract(chain, simulator) as contract:
        yield environment(chain.url, simulator, contract, tmp_path) | {
            "LOG_LEVEL": "debug",
            "EARLY_UPDATE": "never",
            "FORCE_UPDATE_INTERVAL_MS": "0",
        }


@pytest.fixture
async def proxy(chain: Anvil) -> AsyncIterator[CountingProxy]:
    async with CountingProxy(url=chain.url, ws_url=chain.ws_url) as counting:
        yield counting


async def at_rest(keeper: RunningKeeper, pushes: int) -> None:
    """So many pushes are final."""
    await wait_until(lambda: len(keeper.told("push_final")) >= pushes, timeout_s=PATIENCE_S)


async def polls(keeper: RunningKeeper, count: int) -> int:
    """Wait for so many more; returns how many there were."""
    before = len(keeper.told("chain_read"))
    await wait_until(lambda: len(keeper.told("chain_read")) >= before + count, timeout_s=PATIENCE_S)
    return len(keeper.told("chain_read")) - before


@pytest.mark.parametrize(("scheme", "signers"), [("ws", "contract"), ("http", "")])
async def test_an_idle_poll_is_one_request(
    proxy: CountingProxy, environ: dict[str, str], tmp_path: Path, scheme: str, signers: str
) -> None:
    """Whoever signs is asked for in it too, where that is wanted."""
    rpc = proxy.ws_url if scheme == "ws" else proxy.url
    settings = environ | {"RPC_URL": rpc, "MONITORING_INTERVAL_MS": str(POLL_MS), "HERMES_SIGNERS": signers}
    async with keeper_running(settings, tmp_path) as keeper:
        await at_rest(keeper, 1)
        await polls(keeper, 1)
        before = proxy.methods.copy()
        made = await polls(keeper, POLLS)
        asked = proxy.methods - before
        _, monitored = await keeper.get("/monitoring/status")
        known = (await keeper.network())["signers"]
    assert set(asked) == {"eth_call"}
    assert abs(asked["eth_call"] - made) <= 1
    assert (known and known["signers"]) == (1 if signers else None)
    (network,) = monitored["networks"]
    assert network["live"] is (scheme == "ws")
    assert network["rpc"]["plain_polling_per_hour"] == FEEDS * 720


async def test_an_idle_hour_with_a_websocket_stays_within_its_budget(
    proxy: CountingProxy, environ: dict[str, str], tmp_path: Path
) -> None:
    """An hour holds twelve polls, and half of a whole read, which is what the first read is."""
    async with keeper_running(environ | {"RPC_URL": proxy.ws_url}, tmp_path) as keeper:
        await wait_until(lambda: keeper.told("chain_read"), timeout_s=PATIENCE_S)
        await at_rest(keeper, 1)
        in_whole_reads = {method: proxy.methods[method] for method in ONLY_IN_WHOLE_READS}
        before = proxy.methods.copy()
        heads = proxy.notifications
        await wait_until(lambda: proxy.notifications >= heads + POLLS, timeout_s=PATIENCE_S)
        assert proxy.methods == before
    reads = in_whole_reads["eth_gasPrice"]
    assert reads
    header_and_nonce = 2
    of_a_whole_read = sum(in_whole_reads.values()) / reads + header_and_nonce
    assert HOURLY_POLLS + of_a_whole_read / 2 <= BUDGET


async def test_a_push_with_a_websocket_is_two_requests_in_all(
    proxy: CountingProxy, environ: dict[str, str], chain: Anvil, simulator: HermesSimulator, tmp_path: Path
) -> None:
    """One that misses two blocks, as may happen on a busy machine, is late, and looked at before it is replaced."""
    async with keeper_running(environ | {"RPC_URL": proxy.ws_url}, tmp_path) as keeper, Node(chain.url) as node:
        await at_rest(keeper, 1)
        for push in (2, 3, 4, 5):
            before = proxy.methods.copy()
            published = int(time.time())
            await wait_until(lambda published=published: time.time() >= published + 1.1)  # type: ignore[misc]
            seen = int(await node.request("eth_blockNumber"), 16)
            simulator.publisher.jump(simulator.feed_ids[0], percent=Decimal(1))
            await at_rest(keeper, push)
            asked = dict(proxy.methods - before)
            if keeper.told("push_confirmed")[-1]["block"] <= seen + 2:
                assert asked == {"eth_sendRawTransaction": 1, "eth_getTransactionReceipt": 1}
            else:
                assert asked["eth_getTransactionReceipt"] <= 2
