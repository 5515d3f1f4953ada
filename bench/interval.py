"""What `DEBOUNCE_MS` costs and gives: keepers that differ in it alone, at the same time, in the same market."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from bench.tables import median, table
from keeper.lab.anvil import Anvil
from keeper.lab.anvil_install import ensure_anvil
from keeper.signing.raw_key import RawKeySigner
from tests.support.keeper_process import (
    RunningKeeper,
    devnet_contract,
    environment,
    keeper_running,
    simulator_running,
)
from tests.support.node import Node
from tests.support.waiting import wait_until

WINDOWS_MS = (400, 1_000, 5_000, 30_000)
FEEDS = 10
_BLOCK_TIME_S = 0.25
_SLOT_MS = 400
_STEP_PPM = 50
"""Standard deviation of a price's step from slot to slot: some 0.6% an hour."""
_HOUR_S = 3_600
_DAY_S = 86_400
_COINS = 10**21
_PATIENCE_S = 90


async def interval_table(*, seconds: float) -> str:
    """A row for each window, measured for so long once every keeper has pushed all its feeds."""
    async with _world() as keepers:
        begun = [await _figures(keeper) for keeper in keepers]
        await asyncio.sleep(seconds)
        ended = [await _figures(keeper) for keeper in keepers]
    head = (
        "`DEBOUNCE_MS`",
        "Updates an hour",
        "Feeds an update",
        "Gas a day",
        "Price to receipt (p50)",
        "A feed beyond its threshold, for each of its updates",
        "In policy",
    )
    return table(head, map(_row, WINDOWS_MS, begun, ended, [seconds] * len(keepers)))


class _Figures:
    """What a keeper had done at one moment."""

    def __init__(self, confirmed: list[dict[str, Any]], network: dict[str, Any]) -> None:
        self.updates = len(confirmed)
        self.confirmed = confirmed
        self.out_of_policy_s = sum(feed["out_of_policy_s"] for feed in network["feeds"])


async def _figures(keeper: RunningKeeper) -> _Figures:
    network = await keeper.network()
    return _Figures(keeper.told("push_confirmed"), network)


def _row(window_ms: int, begun: _Figures, ended: _Figures, seconds: float) -> tuple[str, ...]:
    updates = ended.confirmed[begun.updates :]
    written = sum(len(update["written"]) for update in updates)
    gas = sum(update["gas_used"] for update in updates)
    beyond_s = ended.out_of_policy_s - begun.out_of_policy_s
    return (
        f"{window_ms:,}",
        f"{len(updates) / seconds * _HOUR_S:,.0f}",
        f"{written / len(updates):.1f}",
        f"{gas / seconds * _DAY_S / 1e9:.2f} billion",
        f"{median([update['latency_ms'] for update in updates]) / 1000:.2f} s",
        f"{beyond_s / written:.2f} s",
        f"{100 * (1 - beyond_s / (seconds * FEEDS)):.1f}%",
    )


@asynccontextmanager
async def _world() -> AsyncIterator[list[RunningKeeper]]:
    """A keeper for each window, with an account and a contract of its own, all else being equal."""
    binary = await ensure_anvil(announce=lambda _: None)
    async with AsyncExitStack() as stack:
        anvil = await stack.enter_async_context(Anvil(binary, block_time_s=_BLOCK_TIME_S))
        hermes = await stack.enter_async_context(
            simulator_running(feeds=FEEDS, interval_ms=_SLOT_MS, volatility_ppm=_STEP_PPM)
        )
        node = await stack.enter_async_context(Node(anvil.url))
        keepers = []
        for number, window_ms in enumerate(WINDOWS_MS, start=1):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            key = bytes([number] * 32)
            await node.request("anvil_setBalance", RawKeySigner(key).address, hex(_COINS))
            contract = await stack.enter_async_context(devnet_contract(anvil, hermes))
            settings = environment(anvil.ws_url, hermes, contract, folder) | {
                "LOG_LEVEL": "debug",  # above it lines that come in numbers are counted
                "PRIVATE_KEY": key.hex(),
                "MAX_STALENESS": "30",
                "DEBOUNCE_MS": str(window_ms),
            }
            keepers.append(await stack.enter_async_context(keeper_running(settings, folder)))
        for keeper in keepers:
            await wait_until(lambda keeper=keeper: _has_pushed_all(keeper), timeout_s=_PATIENCE_S)  # type: ignore[misc]
        yield keepers


async def _has_pushed_all(keeper: RunningKeeper) -> bool:
    network = await keeper.network()
    return all(feed["on_chain"] for feed in network["feeds"])
