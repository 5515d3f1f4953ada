"""Two endpoints over real sockets: every fault of one, the loss of both, and the reserve that steps in."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from keeper.domain.status import SourceState
from keeper.hermes import HermesMode, Timing
from keeper.lab.hermes import HermesSimulator, SimulatorConfig
from tests.support.hermes import running
from tests.support.sourcing import Sourcing, sourcing_from_several
from tests.support.waiting import wait_until

KEY = "s3cret-key"
INTERVAL_S = 0.1
WORLD = SimulatorConfig(interval_ms=100, feeds=3, api_key=KEY)
IMPATIENT = Timing(silence_s=1.0, slow_retry_s=0.5, backoff_s=0.1, backoff_cap_s=0.3, stand_down_s=0.5)
STREAMING, STANDBY = SourceState.STREAMING, SourceState.STANDBY

FAULTS: dict[str, list[dict[str, Any]]] = {
    "dropped": [{"action": "refuse", "how": "reset", "routes": "all"}, {"action": "drop"}],
    "ended": [{"action": "refuse", "how": "503", "routes": "all"}, {"action": "end", "error": "timeout"}],
    "silent": [{"action": "silence"}],
    "garbage": [{"action": "garbage", "kind": "update"}],
    "unauthorized": [{"action": "api_key", "key": "another"}, {"action": "drop"}],
    "throttled": [{"action": "throttle", "mode": "always", "retry_after_s": 1}, {"action": "drop"}],
}
HEALED: list[dict[str, Any]] = [{"action": "reset"}, {"action": "api_key", "key": KEY}]


async def act(simulator: HermesSimulator, actions: list[dict[str, Any]]) -> None:
    for action in actions:
        await simulator.control(action)


@asynccontextmanager
async def two(mode: HermesMode) -> AsyncIterator[tuple[HermesSimulator, HermesSimulator, Sourcing]]:
    """Two servers of the same feeds, and a source that streams them, or the first of them."""
    async with (
        running(WORLD) as first,
        running(WORLD) as second,
        sourcing_from_several(
            [first.url, second.url],
            first.feed_ids,
            mode=mode,
            ticks=lambda: second.publisher.slot,
            api_key=lambda: KEY,
            timing=IMPATIENT,
        ) as bench,
    ):
        await wait_until(lambda: bench.states()[0] is STREAMING)
        await bench.delivers(more=10)
        yield first, second, bench


@pytest.mark.parametrize("fault", FAULTS)
async def test_losing_one_of_two_goes_unnoticed(fault: str) -> None:
    async with two(HermesMode.ALL) as (first, second, bench):
        await wait_until(lambda: bench.states() == [STREAMING, STREAMING])
        lost_at = second.publisher.slot
        await act(first, FAULTS[fault])
        await wait_until(lambda: bench.states()[0] is not STREAMING or fault in {"silent", "garbage"})
        await wait_until(lambda: second.publisher.slot >= lost_at + 20)
        assert bench.longest_gap(since=lost_at) <= 5
        assert bench.states()[1] is STREAMING
        await act(first, HEALED)
        await wait_until(lambda: bench.states() == [STREAMING, STREAMING])


async def test_losing_both_goes_to_polling_then_to_nothing_and_all_comes_back() -> None:
    async with two(HermesMode.ALL) as (first, second, bench):
        for simulator in (first, second):
            await act(simulator, [{"action": "refuse", "how": "reset"}, {"action": "drop"}])
        await wait_until(lambda: bench.states() == [SourceState.POLLING, SourceState.POLLING])
        for simulator in (first, second):
            await act(simulator, [{"action": "refuse", "how": "reset", "routes": "all"}])
        await wait_until(lambda: bench.states() == [SourceState.DOWN, SourceState.DOWN])
        for simulator in (first, second):
            await act(simulator, HEALED)
        await wait_until(lambda: bench.states() == [STREAMING, STREAMING])


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_reserve_is_streamed_within_a_second_and_the_first_returned_to(fault: str) -> None:
    async with two(HermesMode.STANDBY) as (first, second, bench):
        assert second.state()["requests"]["stream"] == 0
        lost_at = time.monotonic()
        await act(first, FAULTS[fault])
        await wait_until(lambda: second.state()["streams"] == 1)
        assert time.monotonic() - lost_at < 1.0 + INTERVAL_S
        await wait_until(lambda: bench.states()[1] is STREAMING)
        await act(first, HEALED)
        await wait_until(lambda: bench.states() == [STREAMING, STANDBY])
        await wait_until(lambda: second.state()["streams"] == 0)
