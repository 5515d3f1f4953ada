"""Several endpoints as one source: none is missed when it is lost, and each comes back by itself; in virtual time."""

import asyncio
from collections.abc import Callable

import pytest

from keeper.domain.events import SourceConnected, SourceLost, SourcePolling, SourceStoodDown
from keeper.domain.status import SourceState
from keeper.hermes.config import HermesMode
from keeper.hermes.failure import SourceFailure
from keeper.hermes.wire import refusal
from tests.support.fake_hermes import SLOT_S, FakeHermes, SourcesBench, now, sourcing_several
from tests.support.market import FEEDS

F1, F2, F3 = FEEDS[:3]
DROPPED = SourceFailure("the server closed the connection")
STREAMING, STANDBY = SourceState.STREAMING, SourceState.STANDBY

pytestmark = pytest.mark.looptime


def drop(hermes: FakeHermes) -> None:
    hermes.stream_failure = hermes.poll_failure = DROPPED
    hermes.drop(DROPPED)


def fall_silent(hermes: FakeHermes) -> None:
    hermes.silent = True
    hermes.poll_failure = DROPPED


def send_garbage(hermes: FakeHermes) -> None:
    hermes.garbage = True
    hermes.poll_failure = DROPPED


def refuse_key(hermes: FakeHermes) -> None:
    hermes.stream_failure = hermes.poll_failure = refusal(401, "", retry_after=None, asked=())
    hermes.drop(refusal(401, "", retry_after=None, asked=()))


def throttle(hermes: FakeHermes) -> None:
    hermes.stream_failure = hermes.poll_failure = refusal(429, "", retry_after="45", asked=())
    hermes.drop(refusal(429, "", retry_after="45", asked=()))


FAULTS = [drop, fall_silent, send_garbage, refuse_key, throttle]


def heal(hermes: FakeHermes) -> None:
    hermes.stream_failure = hermes.poll_failure = None
    hermes.silent = hermes.garbage = False


async def streaming(bench: SourcesBench, *, for_s: float = 20.0) -> None:
    """Let it stream, and forget what it told so far."""
    await asyncio.sleep(for_s)
    assert bench.states()[0] is STREAMING
    bench.events.clear()
    for endpoint in bench.endpoints.values():
        endpoint.opened.clear()
        endpoint.polled.clear()


async def test_what_two_deliver_alike_is_one_and_the_same_update() -> None:
    async with sourcing_several("a", "b") as bench:
        await streaming(bench)
        bench.delivered.clear()
        await asyncio.sleep(20)
        updates = [update for _, event in bench.delivered for update in event.updates]
        assert len(updates) > 1.9 * len({update.slot for update in updates})
        assert len(set(map(id, updates))) == len({update.blob for update in updates})
        assert {event.source for _, event in bench.delivered} == {"a", "b"}
        assert bench.states() == [STREAMING, STREAMING]


@pytest.mark.parametrize("lose", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("which", ["a", "b"])
async def test_losing_one_of_two_leaves_no_gap(lose: Callable[[FakeHermes], None], which: str) -> None:
    async with sourcing_several("a", "b") as bench:
        await streaming(bench)
        lost_at = now()
        lose(bench.endpoints[which])
        await asyncio.sleep(120)
        assert bench.longest_gap_s(since=lost_at) <= SLOT_S + 0.001
        heal(bench.endpoints[which])
        await asyncio.sleep(60)
        assert bench.states() == [STREAMING, STREAMING]


async def test_a_lost_endpoint_is_not_polled_for_what_another_streams() -> None:
    async with sourcing_several("a", "b") as bench:
        await streaming(bench)
        bench.endpoints["a"].stream_failure = DROPPED
        bench.endpoints["a"].drop()
        await asyncio.sleep(60)
        assert bench.endpoints["a"].polled == []
        assert bench.states() == [SourceState.DOWN, STREAMING]
        assert bench.told(SourcePolling) == []


async def test_feeds_that_no_other_endpoint_streams_are_polled() -> None:
    async with sourcing_several("a", "b", feeds={"a": [F1, F3], "b": [F1, F2]}) as bench:
        await streaming(bench)
        bench.endpoints["a"].stream_failure = DROPPED
        bench.endpoints["a"].drop()
        await asyncio.sleep(2)
        assert bench.endpoints["a"].polled
        assert bench.states() == [SourceState.POLLING, STREAMING]


async def test_losing_all_streams_goes_to_polling_within_a_second_and_back() -> None:
    async with sourcing_several("a", "b") as bench:
        await streaming(bench)
        lost_at = now()
        for endpoint in bench.endpoints.values():
            endpoint.stream_failure = DROPPED
            endpoint.drop()
        await asyncio.sleep(1.2)
        assert bench.longest_gap_s(since=lost_at) < 1.0
        assert bench.states() == [SourceState.POLLING, SourceState.POLLING]
        for endpoint in bench.endpoints.values():
            heal(endpoint)
        await asyncio.sleep(30)
        assert bench.states() == [STREAMING, STREAMING]


async def test_losing_everything_is_survived_for_long_and_all_return() -> None:
    async with sourcing_several("a", "b") as bench:
        await streaming(bench)
        for endpoint in bench.endpoints.values():
            drop(endpoint)
        await asyncio.sleep(600)
        assert bench.states() == [SourceState.DOWN, SourceState.DOWN]
        for endpoint in bench.endpoints.values():
            heal(endpoint)
        healed_at = now()
        await asyncio.sleep(30)
        assert bench.states() == [STREAMING, STREAMING]
        assert bench.news()[-1][0] > healed_at + 29


async def test_one_status_row_an_endpoint_each_with_its_own_state() -> None:
    async with sourcing_several("a", "b", "c") as bench:
        await streaming(bench)
        refuse_key(bench.endpoints["b"])
        throttle(bench.endpoints["c"])
        await asyncio.sleep(2)
        assert [(row.name, row.state) for row in bench.source.status()] == [
            ("a", STREAMING),
            ("b", SourceState.UNAUTHORIZED),
            ("c", SourceState.RATE_LIMITED),
        ]


async def test_an_endpoint_in_reserve_is_left_alone() -> None:
    async with sourcing_several("a", "b", mode=HermesMode.STANDBY) as bench:
        await streaming(bench, for_s=600)
        assert bench.states() == [STREAMING, STANDBY]
        assert bench.endpoints["b"].opened == bench.endpoints["b"].polled == []
        assert {event.source for _, event in bench.delivered} == {"a"}


@pytest.mark.parametrize("lose", FAULTS, ids=lambda fault: fault.__name__)
async def test_the_next_one_is_streamed_within_a_second_and_the_first_returned_to(
    lose: Callable[[FakeHermes], None],
) -> None:
    async with sourcing_several("a", "b", mode=HermesMode.STANDBY) as bench:
        await streaming(bench)
        lost_at = now()
        lose(bench.endpoints["a"])
        await asyncio.sleep(20)
        assert bench.endpoints["b"].opened[0].at - lost_at < 1.0
        assert bench.states()[1] is STREAMING
        assert bench.longest_gap_s(since=lost_at) < 1.0 + SLOT_S
        heal(bench.endpoints["a"])
        await asyncio.sleep(60)
        assert bench.states() == [STREAMING, STANDBY]
        assert bench.told(SourceStoodDown) == [SourceStoodDown("b")]
        assert bench.endpoints["b"].connections == []
        assert bench.longest_gap_s(since=lost_at + 5) <= SLOT_S + 0.001


async def test_a_stream_that_is_back_at_once_calls_nobody() -> None:
    async with sourcing_several("a", "b", mode=HermesMode.STANDBY) as bench:
        await streaming(bench)
        bench.endpoints["a"].drop()
        bench.endpoints["a"].publish()
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        bench.endpoints["a"].publish()
        await asyncio.sleep(5)
        assert bench.endpoints["b"].opened == []


async def test_the_third_is_called_only_when_the_second_fails_too() -> None:
    async with sourcing_several("a", "b", "c", mode=HermesMode.STANDBY) as bench:
        await streaming(bench)
        drop(bench.endpoints["a"])
        await asyncio.sleep(20)
        assert bench.states() == [SourceState.DOWN, STREAMING, STANDBY]
        assert bench.endpoints["c"].opened == []
        drop(bench.endpoints["b"])
        await asyncio.sleep(3)
        assert bench.states() == [SourceState.DOWN, SourceState.DOWN, STREAMING]
        heal(bench.endpoints["a"])
        await asyncio.sleep(60)
        assert bench.states() == [STREAMING, STANDBY, STANDBY]


async def test_what_a_reserve_tells_begins_and_ends_with_its_service() -> None:
    async with sourcing_several("a", "b", mode=HermesMode.STANDBY) as bench:
        await streaming(bench)
        drop(bench.endpoints["a"])
        await asyncio.sleep(20)
        assert bench.told(SourceConnected) == [SourceConnected("b")]
        assert [lost.source for lost in bench.told(SourceLost)] == ["a"]
