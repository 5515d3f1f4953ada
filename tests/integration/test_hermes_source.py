"""The source against the simulator: every fault over real sockets, and how long prices stay away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from keeper.domain.events import SourceLost, SourceProblem
from keeper.domain.status import SourceState
from keeper.domain.units import FeedId
from keeper.hermes import Timing
from keeper.lab.hermes import HermesSimulator, SimulatorConfig
from tests.support.hermes import running
from tests.support.sourcing import Sourcing, opening_slowly, sourcing_from
from tests.support.waiting import wait_until

FAST = SimulatorConfig(interval_ms=50, feeds=3)
A_SECOND = 20
"""Of its slots."""
IMPATIENT = Timing(silence_s=0.5, poll_after_quiet_s=0.3, slow_retry_s=0.5, backoff_s=0.1, backoff_cap_s=0.3)
STREAM, LATEST = "stream", "latest"
UNKNOWN = FeedId("ab" * 32)


def requests(simulator: HermesSimulator, route: str) -> int:
    count: int = simulator.state()["requests"][route]
    return count


@asynccontextmanager
async def streaming(config: SimulatorConfig = FAST, **source: Any) -> AsyncIterator[tuple[HermesSimulator, Sourcing]]:
    """A simulator, and a source that streams all its feeds."""
    async with (
        running(config) as simulator,
        sourcing_from(simulator.url, simulator.feed_ids, ticks=lambda: simulator.publisher.slot, **source) as bench,
    ):
        await bench.becomes(SourceState.STREAMING)
        await bench.delivers(more=5)
        yield simulator, bench


async def test_delivers_each_slot_once_with_prices_that_are_proven() -> None:
    async with streaming() as (simulator, bench):
        await bench.delivers(more=20)
        slots = bench.slots()
        assert slots == list(range(slots[0], slots[0] + len(slots)))
        for _, event in bench.delivered:
            (update,) = event.updates
            assert set(update.prices) == set(simulator.feed_ids)
            update.prove(update.prices)


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "drop"},
        {"action": "end"},
        {"action": "end", "error": "timeout"},
        {"action": "end", "error": "slow_consumer"},
    ],
    ids=str,
)
async def test_a_lost_stream_is_back_at_once(fault: dict[str, str]) -> None:
    async with streaming() as (simulator, bench):
        await simulator.control(fault)
        await wait_until(lambda: bench.status.reconnects == 1)
        await bench.delivers(more=20)
        assert bench.longest_gap() < A_SECOND
        assert len(bench.told(SourceLost)) == 1
        assert bench.slots() == sorted(set(bench.slots()))
        assert requests(simulator, STREAM) == 2


@pytest.mark.parametrize("how", ["503", "reset"])
async def test_polls_while_streams_are_refused_and_goes_back(how: str) -> None:
    async with streaming(timing=Timing(backoff_s=0.3, backoff_cap_s=0.3)) as (simulator, bench):
        await simulator.control({"action": "refuse", "how": how})
        await simulator.control({"action": "drop"})
        await bench.becomes(SourceState.POLLING)
        assert bench.longest_gap() < A_SECOND
        await bench.delivers()
        await simulator.control({"action": "reset"})
        await bench.becomes(SourceState.STREAMING)
        polls = requests(simulator, LATEST)
        await bench.delivers(more=20)
        assert requests(simulator, LATEST) == polls
        assert bench.slots() == sorted(set(bench.slots()))


async def test_a_silent_stream_is_bridged_and_then_given_up() -> None:
    async with streaming(timing=Timing(silence_s=1.5)) as (simulator, bench):
        await simulator.control({"action": "silence"})
        await bench.delivers()
        assert bench.longest_gap() < 1.5 * A_SECOND
        await wait_until(lambda: bench.told(SourceLost))
        await bench.becomes(SourceState.POLLING)
        await simulator.control({"action": "reset"})
        await bench.becomes(SourceState.STREAMING)
        assert bench.slots() == sorted(set(bench.slots()))


@pytest.mark.parametrize("kind", ["json", "encoding", "update", "long_line"])
async def test_garbage_of_any_kind_is_survived(kind: str) -> None:
    async with streaming(timing=IMPATIENT) as (simulator, bench):
        await simulator.control({"action": "garbage", "kind": kind, "line_bytes": 20 * 2**20})
        await wait_until(lambda: bench.told(SourceProblem) or bench.told(SourceLost))
        assert bench.slots() == sorted(set(bench.slots()))
        await simulator.control({"action": "reset"})
        await bench.becomes(SourceState.STREAMING)
        await bench.delivers(more=5)


async def test_an_error_event_that_ends_nothing_is_told_and_costs_no_connection() -> None:
    async with streaming() as (simulator, bench):
        await simulator.control({"action": "error", "message": "lagged by 3"})
        await wait_until(lambda: bench.told(SourceProblem))
        await bench.delivers(more=10)
        assert requests(simulator, STREAM) == 1
        assert bench.longest_gap() < A_SECOND


async def test_frozen_publish_times_are_no_outage() -> None:
    async with streaming() as (simulator, bench):
        await simulator.control({"action": "freeze"})
        await bench.delivers(more=30)
        assert bench.status.state is SourceState.STREAMING
        assert requests(simulator, LATEST) <= 1


async def test_a_server_that_goes_away_and_comes_back() -> None:
    async with streaming(timing=IMPATIENT) as (simulator, bench):
        port = int(simulator.url.rpartition(":")[2])
        await simulator.stop()
        await bench.becomes(SourceState.DOWN)
        await simulator.start(port=port)
        await bench.becomes(SourceState.STREAMING)
        assert bench.slots() == sorted(set(bench.slots()))


async def test_a_missing_key_is_told_and_not_hammered() -> None:
    config = SimulatorConfig(interval_ms=50, feeds=1, api_key="right")
    async with running(config) as simulator, sourcing_from(simulator.url, simulator.feed_ids) as bench:
        await bench.becomes(SourceState.UNAUTHORIZED)
        await asyncio.sleep(1.5)
        assert requests(simulator, STREAM) == 1
        assert requests(simulator, LATEST) == 1
        assert "HERMES_API_KEY" in bench.status.detail
        assert bench.delivered == []


async def test_a_key_file_may_change_while_the_source_runs(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("first\n")
    config = SimulatorConfig(interval_ms=50, feeds=1, api_key="first")
    async with streaming(config, api_key=file.read_text, timing=IMPATIENT) as (simulator, bench):
        await simulator.control({"action": "api_key", "key": "second"})
        await simulator.control({"action": "drop"})
        await bench.becomes(SourceState.UNAUTHORIZED)
        file.write_text("second\n")
        await bench.becomes(SourceState.STREAMING)


async def test_a_new_key_file_ends_an_outage_long_before_the_next_try(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old\n")
    config = SimulatorConfig(interval_ms=50, feeds=1, api_key="new")
    async with (
        running(config) as simulator,
        sourcing_from(
            simulator.url, simulator.feed_ids, api_key=file.read_text, timing=Timing(slow_retry_s=3600.0)
        ) as bench,
    ):
        await bench.becomes(SourceState.UNAUTHORIZED)
        await asyncio.sleep(0.5)
        fresh = tmp_path / "fresh"
        fresh.write_text("new\n")
        fresh.replace(file)
        await bench.becomes(SourceState.STREAMING)


async def test_an_unknown_feed_does_not_cost_the_others() -> None:
    async with running(FAST) as simulator, sourcing_from(simulator.url, [UNKNOWN, *simulator.feed_ids]) as bench:
        await bench.becomes(SourceState.STREAMING)
        assert UNKNOWN in bench.status.detail
        assert bench.feeds() == set(simulator.feed_ids)


async def test_only_unknown_feeds_are_told_and_not_hammered() -> None:
    async with running(FAST) as simulator, sourcing_from(simulator.url, [UNKNOWN]) as bench:
        await bench.becomes(SourceState.UNKNOWN_FEEDS)
        await asyncio.sleep(1.5)
        assert requests(simulator, STREAM) + requests(simulator, LATEST) == 2


async def test_a_feed_that_the_key_does_not_cover_comes_back_once_it_does() -> None:
    timing = Timing(refused_feeds_retry_s=0.5)
    async with running(FAST) as simulator:
        denied, *others = simulator.feed_ids
        await simulator.control({"action": "deny", "feeds": [denied]})
        async with sourcing_from(simulator.url, simulator.feed_ids, timing=timing) as bench:
            await bench.becomes(SourceState.STREAMING)
            assert bench.feeds() == set(others)
            await simulator.control({"action": "deny", "feeds": []})
            await wait_until(lambda: denied in bench.feeds())
            await wait_until(lambda: bench.status.detail == "")
            assert bench.told(SourceLost) == []


async def test_a_throttling_server_is_left_alone_for_as_long_as_it_says() -> None:
    async with running(FAST) as simulator:
        await simulator.control({"action": "throttle", "mode": "always", "retry_after_s": 2})
        started = time.monotonic()
        async with sourcing_from(simulator.url, simulator.feed_ids) as bench:
            await bench.becomes(SourceState.RATE_LIMITED)
            await wait_until(lambda: requests(simulator, STREAM) + requests(simulator, LATEST) > 1)
            assert time.monotonic() - started >= 2
            await simulator.control({"action": "reset"})
            await bench.becomes(SourceState.STREAMING)


async def test_connections_are_replaced_before_the_server_ends_them() -> None:
    config = SimulatorConfig(interval_ms=50, feeds=1, max_connection_s=10.0)
    timing = Timing(rotation_s=0.4, slow_retry_s=0.1)
    async with streaming(config, timing=timing) as (simulator, bench):
        await wait_until(lambda: requests(simulator, STREAM) >= 6)
        assert bench.told(SourceLost) == []
        assert bench.status.reconnects == 0
        slots = bench.slots()
        assert slots == list(range(slots[0], slots[0] + len(slots)))
        await wait_until(lambda: simulator.state()["streams"] <= 2)


async def test_polls_bring_several_updates_where_feeds_come_from_different_slots() -> None:
    async with running(FAST) as simulator:
        await simulator.control({"action": "refuse", "how": "503"})
        await simulator.control({"action": "split_slots"})
        async with sourcing_from(simulator.url, simulator.feed_ids) as bench:
            await bench.delivers()
            _, event = bench.delivered[0]
            assert len(event.updates) == 2
            assert bench.feeds() == set(simulator.feed_ids)


async def test_many_feeds_come_over_several_connections() -> None:
    async with streaming(SimulatorConfig(interval_ms=200, feeds=600)) as (simulator, bench):
        await wait_until(lambda: bench.feeds() == set(simulator.feed_ids))
        assert simulator.state()["streams"] == 2


async def test_feeds_are_exchanged_without_a_gap_however_long_a_stream_takes_to_open() -> None:
    """Slots come every 0.1 s, and nothing can be polled."""
    async with (
        running(SimulatorConfig(interval_ms=100, feeds=3)) as simulator,
        opening_slowly(simulator.url, 1.5) as url,
    ):
        first, second, third = simulator.feed_ids
        async with sourcing_from(url, [first, second], ticks=lambda: simulator.publisher.slot) as bench:
            await bench.delivers(more=5)
            changed_at, changed_in = time.monotonic(), simulator.publisher.slot
            bench.source.subscribe([second, third])
            await wait_until(lambda: third in bench.feeds())
            await bench.delivers(more=5)
            assert time.monotonic() - changed_at > 1.5
            assert bench.longest_gap(since=changed_in - 1) < 8
            await wait_until(lambda: simulator.state()["streams"] == 1)
