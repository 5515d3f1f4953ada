"""JSON-RPC requests an hour, counted on the wire: idle, and for each push."""

import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from bench.tables import table
from keeper.app.clock import SystemClock
from keeper.evm.rpc import RpcPool, transport
from keeper.lab.anvil import Anvil
from keeper.lab.anvil_install import ensure_anvil
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
from tests.support.waiting import wait_until

FEEDS = 10
PEER_PER_HOUR = 7_560
"""price_pusher with ten feeds and its defaults."""
_POLLS_PER_HOUR = 12
"""`MONITORING_INTERVAL_MS` is five minutes by default."""
_WHOLE_READS_PER_HOUR = 0.5
_ONLY_IN_WHOLE_READS = (
    "eth_getBlockByNumber",
    "eth_getTransactionCount",
    "eth_getStorageAt",
    "eth_gasPrice",
    "eth_maxPriorityFeePerGas",
    "eth_feeHistory",
)
_QUICK_POLL_MS = 1000
_HOUR_MS = 3_600_000
_PATIENCE_S = 60
_NEXT_SECOND_S = 1.1


@dataclass(frozen=True, slots=True)
class _World:
    proxy: CountingProxy
    hermes: HermesSimulator
    environ: dict[str, str]
    folder: Path


async def budget_table(*, polls: int, pushes: int) -> str:
    """The table, from so many polls and pushes of each kind of endpoint."""
    rows = [("price_pusher", "", f"{PEER_PER_HOUR:,}", "")]
    async with _world() as world:
        for name, url in (("keeper, HTTP", world.proxy.url), ("keeper, WebSocket", world.proxy.ws_url)):
            per_poll = await _per_poll(world, url, polls)
            per_push = await _per_push(world, url, pushes)
            per_hour = _POLLS_PER_HOUR * per_poll + _WHOLE_READS_PER_HOUR * len(_ONLY_IN_WHOLE_READS)
            rows.append((name, f"{per_poll:g}", f"{per_hour:g}", f"{per_push:g}"))
    return table(("Idle, 10 feeds", "Requests a poll", "Requests an hour", "Besides, for each push"), rows)


async def _per_poll(world: _World, url: str, polls: int) -> float:
    settings = world.environ | {"RPC_URL": url, "MONITORING_INTERVAL_MS": str(_QUICK_POLL_MS)}
    async with keeper_running(settings, world.folder) as keeper:
        await _at_rest(keeper)
        before, read = await _counted_at_a_poll(world, keeper)
        await wait_until(lambda: len(keeper.told("chain_read")) >= read + polls, timeout_s=_PATIENCE_S + polls)
        return sum((world.proxy.methods - before).values()) / (len(keeper.told("chain_read")) - read)


async def _counted_at_a_poll(world: _World, keeper: RunningKeeper) -> tuple[Counter[str], int]:
    """What was asked so far, and the polls that were told, just after one of them."""
    read = len(keeper.told("chain_read")) + 1
    await wait_until(lambda: len(keeper.told("chain_read")) >= read, timeout_s=_PATIENCE_S)
    return world.proxy.methods.copy(), len(keeper.told("chain_read"))


async def _per_push(world: _World, url: str, pushes: int) -> float:
    settings = world.environ | {"RPC_URL": url, "MONITORING_INTERVAL_MS": str(_HOUR_MS)}
    async with keeper_running(settings, world.folder) as keeper:
        await _at_rest(keeper)
        before = world.proxy.methods.copy()
        for _ in range(pushes):
            final = len(keeper.told("push_final"))
            published = time.time()
            await wait_until(lambda published=published: time.time() >= published + _NEXT_SECOND_S)  # type: ignore[misc]
            world.hermes.publisher.jump(world.hermes.feed_ids[0], percent=Decimal(1))
            await wait_until(
                lambda final=final: len(keeper.told("push_final")) > final,  # type: ignore[misc]
                timeout_s=_PATIENCE_S,
            )
        return sum((world.proxy.methods - before).values()) / pushes


async def _at_rest(keeper: RunningKeeper) -> None:
    async def rests() -> bool:
        network = await keeper.network()
        return bool(network["in_flight"] == 0 and all(feed["on_chain"] for feed in network["feeds"]))

    await wait_until(rests, timeout_s=_PATIENCE_S)
    sent = len(keeper.told("push_sent"))
    await wait_until(lambda: len(keeper.told("push_final")) >= sent, timeout_s=_PATIENCE_S)


@asynccontextmanager
async def _world() -> AsyncIterator[_World]:
    """A chain with Multicall3 and a block every second, and prices that stand still until told to jump."""
    binary = await ensure_anvil(announce=lambda _: None)
    async with (
        Anvil(binary, block_time_s=1) as anvil,
        CountingProxy(url=anvil.url, ws_url=anvil.ws_url) as proxy,
        simulator_running(feeds=FEEDS) as hermes,
        devnet_contract(anvil, hermes) as contract,
    ):
        pool = RpcPool([transport("anvil", anvil.url)], clock=SystemClock())
        await pool.connect()
        await place_multicall(pool)
        await pool.close()
        with tempfile.TemporaryDirectory() as folder:
            environ = environment(anvil.url, hermes, contract, Path(folder)) | {
                "LOG_LEVEL": "debug",
                "EARLY_UPDATE": "never",
                "FORCE_UPDATE_INTERVAL_MS": "0",
            }
            yield _World(proxy, hermes, environ, Path(folder))
