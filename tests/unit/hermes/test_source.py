"""What the source does when its stream breaks, in virtual time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest

from keeper.domain.events import SourceConnected, SourceLost, SourcePolling, SourceProblem
from keeper.domain.status import SourceState
from keeper.domain.units import FeedId
from keeper.hermes.config import Timing
from keeper.hermes.failure import SourceFailure
from keeper.hermes.wire import refusal
from keeper.ports import PriceEvent
from tests.support.clock import EPOCH
from tests.support.fake_hermes import SLOT_S, Asked, FakeHermes, SourceBench, as_event, now, signed, sourcing
from tests.support.market import FEEDS

F1, F2, F3 = FEEDS[:3]
NAME = "hermes.test"
UNAUTHORIZED = refusal(401, "", retry_after=None, asked=())
THROTTLED = refusal(429, "", retry_after="45", asked=())
DROPPED = SourceFailure("the server closed the connection")

pytestmark = pytest.mark.looptime


@dataclass
class Keys:
    """A key file."""

    key: str | None

    def __call__(self) -> str:
        if self.key is None:
            raise OSError
        return self.key


def state(bench: SourceBench) -> SourceState:
    (row,) = bench.source.status()
    return row.state


def most_in_ten_seconds(requests: Sequence[Asked]) -> int:
    """The most requests in any ten seconds."""
    times = sorted(request.at for request in requests)
    return max(sum(start <= at < start + 9.999 for at in times) for start in times)


async def streaming(bench: SourceBench, *, for_s: float = 20.0) -> None:
    """Let it stream for long enough to be taken for stable, and forget what it told so far."""
    await asyncio.sleep(for_s)
    assert state(bench) is SourceState.STREAMING
    bench.events.clear()
    bench.hermes.opened.clear()
    bench.hermes.polled.clear()


async def test_delivers_every_slot_once_and_in_order() -> None:
    async with sourcing() as bench:
        await asyncio.sleep(30)
        slots = bench.slots()
        assert slots == list(range(slots[0], bench.hermes.slot + 1))
        assert all(event.source == NAME for _, event in bench.delivered)


async def test_tells_when_an_event_arrived() -> None:
    async with sourcing() as bench:
        await asyncio.sleep(5)
        assert all(event.arrived == at for at, event in bench.delivered)


async def test_a_stream_that_delivers_is_never_polled_beside() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        await asyncio.sleep(300)
        assert bench.hermes.polled == []
        assert bench.events == []


async def test_has_a_price_before_the_first_event_of_a_slow_stream() -> None:
    async with sourcing(FakeHermes(silent=True)) as bench:
        await asyncio.sleep(0.3)
        assert len(bench.delivered) == 1


async def test_reconnects_at_once_the_first_time() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        bench.hermes.drop()
        await asyncio.sleep(0.01)
        assert len(bench.hermes.opened) == 1
        assert bench.told(SourceLost) == [SourceLost(NAME, "the server closed the connection")]
        await asyncio.sleep(1)
        assert bench.told(SourceConnected) == [SourceConnected(NAME)]
        (row,) = bench.source.status()
        assert (row.state, row.connected, row.detail, row.reconnects) == (SourceState.STREAMING, True, "", 1)


async def test_polls_within_a_second_of_every_kind_of_loss() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        bench.hermes.stream_failure = DROPPED
        bench.hermes.drop()
        await asyncio.sleep(0.25)
        assert bench.told(SourcePolling) == [SourcePolling(NAME, active=True)]
        assert len(bench.hermes.polled) == 1
        assert state(bench) is SourceState.POLLING


async def test_polls_again_soon_when_the_first_poll_came_too_early_for_news() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        bench.hermes.stream_failure = DROPPED
        bench.hermes.publish()
        bench.hermes.drop()
        lost_at = now()
        await asyncio.sleep(5)
        assert [poll.at - lost_at for poll in bench.hermes.polled] == pytest.approx([0.2, 0.7, 3.2])
        assert [at - lost_at for at, _ in bench.delivered[-3:]] == pytest.approx([0.0, 0.7, 3.2])


async def test_goes_back_to_the_stream_without_losing_or_reordering_slots() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        bench.hermes.stream_failure = DROPPED
        bench.hermes.drop()
        await asyncio.sleep(60)
        bench.hermes.stream_failure = None
        await asyncio.sleep(15)
        assert state(bench) is SourceState.STREAMING
        assert bench.told(SourcePolling) == [SourcePolling(NAME, active=True), SourcePolling(NAME, active=False)]
        slots = bench.slots()
        assert slots == sorted(set(slots))
        polls = len(bench.hermes.polled)
        await asyncio.sleep(30)
        assert len(bench.hermes.polled) == polls


async def test_a_second_loss_soon_after_the_first_is_bridged_as_promptly() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        losses = []
        for _ in range(2):
            losses.append(now())
            bench.hermes.stream_failure = DROPPED
            bench.hermes.drop()
            await asyncio.sleep(0.25)
            bench.hermes.stream_failure = None
            await asyncio.sleep(1.2)
        for lost_at in losses:
            assert next(poll.at - lost_at for poll in bench.hermes.polled if poll.at > lost_at) == pytest.approx(0.2)


async def test_tells_that_polling_is_over_as_soon_as_the_stream_is_back() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        bench.hermes.silent = True
        bench.hermes.drop()
        await asyncio.sleep(0.25)
        bench.hermes.silent = False
        bench.hermes.publish()
        await asyncio.sleep(0)
        assert bench.told(SourcePolling) == [SourcePolling(NAME, active=True), SourcePolling(NAME, active=False)]


async def test_polls_no_more_than_the_limit_in_any_window() -> None:
    async with sourcing(polls_per_window=5, poll_window_s=10.0) as bench:
        for _ in range(60):
            await asyncio.sleep(1.3)
            bench.hermes.drop()
        bench.hermes.stream_failure = DROPPED
        bench.hermes.drop()
        await asyncio.sleep(60)
        assert len(bench.hermes.polled) > 10
        assert most_in_ten_seconds(bench.hermes.polled) == 5


async def test_spaces_the_polls_of_a_long_outage_evenly() -> None:
    async with sourcing(polls_per_window=5, poll_window_s=10.0) as bench:
        await streaming(bench)
        lost_at = now()
        bench.hermes.stream_failure = DROPPED
        bench.hermes.drop()
        await asyncio.sleep(60)
        assert bench.longest_gap_s(since=lost_at) <= 2.6


async def test_backs_off_from_a_server_that_refuses_connections() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        bench.hermes.stream_failure = DROPPED
        bench.hermes.drop()
        await asyncio.sleep(120)
        waits = [second.at - first.at for first, second in pairwise(bench.hermes.opened)]
        assert all(early <= late * 1.34 for early, late in pairwise(waits))
        assert 7.5 <= max(waits) <= 10.0


async def test_backs_off_from_a_stream_that_never_lasts() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        for _ in range(100):
            bench.hermes.drop()
            await asyncio.sleep(0.5)
        assert len(bench.hermes.opened) < 20


async def test_fills_a_quiet_moment_with_a_poll_while_the_stream_stays_open() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        bench.hermes.silent = True
        quiet_since, _ = bench.delivered[-1]
        await asyncio.sleep(2.5)
        assert [poll.at - quiet_since for poll in bench.hermes.polled] == pytest.approx([0.8], abs=0.002)
        assert bench.delivered[-1][0] - quiet_since == pytest.approx(0.8, abs=0.002)
        assert bench.hermes.opened == []
        assert bench.events == []
        assert state(bench) is SourceState.STREAMING


async def test_polls_for_a_stream_that_sends_garbage_and_stays_on_it() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        bench.hermes.garbage = True
        good_until, _ = bench.delivered[-1]
        await asyncio.sleep(1.0)
        assert [poll.at - good_until for poll in bench.hermes.polled] == [pytest.approx(0.6, abs=0.002)]
        assert bench.told(SourceProblem) == [SourceProblem(NAME, "the answer is not the JSON of a price update")]
        bench.hermes.garbage = False
        await asyncio.sleep(10)
        assert bench.hermes.opened == []
        assert len(bench.hermes.polled) == 1


async def test_a_single_bad_event_costs_nothing_when_the_next_is_good() -> None:
    async with sourcing(timing=Timing(poll_after_loss_s=0.5)) as bench:
        await streaming(bench)
        bench.hermes.send("{")
        await asyncio.sleep(5)
        assert bench.hermes.polled == []


async def test_a_repeated_problem_is_told_once_a_minute() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        bench.hermes.stream_failure = bench.hermes.poll_failure = DROPPED
        bench.hermes.drop()
        await asyncio.sleep(179)
        assert len(bench.told(SourceLost)) == 1
        assert len(bench.told(SourceProblem)) == 6


async def test_stays_within_the_public_rate_limit_however_the_stream_fails() -> None:
    async with sourcing(FakeHermes(stream_failure=DROPPED, poll_failure=DROPPED)) as bench:
        await asyncio.sleep(60)
        for _ in range(60):
            bench.hermes.stream_failure = None
            await asyncio.sleep(1.5)
            bench.hermes.drop()
        bench.hermes.stream_failure = DROPPED
        await asyncio.sleep(60)
        assert most_in_ten_seconds([*bench.hermes.opened, *bench.hermes.polled]) <= 10


async def test_a_refused_key_is_not_hammered() -> None:
    async with sourcing(FakeHermes(stream_failure=UNAUTHORIZED, poll_failure=UNAUTHORIZED)) as bench:
        await asyncio.sleep(300)
        assert len(bench.hermes.opened) <= 11
        assert len(bench.hermes.polled) <= 11
        assert state(bench) is SourceState.UNAUTHORIZED


async def test_recovers_by_itself_once_the_key_is_accepted() -> None:
    async with sourcing(FakeHermes(stream_failure=UNAUTHORIZED, poll_failure=UNAUTHORIZED)) as bench:
        await asyncio.sleep(100)
        bench.hermes.stream_failure = bench.hermes.poll_failure = None
        await asyncio.sleep(40)
        assert state(bench) is SourceState.STREAMING


@pytest.mark.parametrize("unreadable", [False, True])
async def test_another_key_is_used_within_a_second_of_being_there(*, unreadable: bool) -> None:
    keys = Keys(None if unreadable else "old")
    async with sourcing(FakeHermes(stream_failure=UNAUTHORIZED, poll_failure=UNAUTHORIZED), api_key=keys) as bench:
        await asyncio.sleep(100)
        asked = len(bench.hermes.opened)
        keys.key = "new"
        bench.hermes.stream_failure = bench.hermes.poll_failure = None
        await asyncio.sleep(1.5)
        assert (state(bench), len(bench.hermes.opened)) == (SourceState.STREAMING, asked + 1)


async def test_another_key_that_is_refused_too_is_not_hammered_either() -> None:
    keys = Keys("old")
    async with sourcing(FakeHermes(stream_failure=UNAUTHORIZED, poll_failure=UNAUTHORIZED), api_key=keys) as bench:
        await asyncio.sleep(100)
        asked = len(bench.hermes.opened)
        keys.key = "new"
        await asyncio.sleep(25)
        assert len(bench.hermes.opened) <= asked + 2


async def test_feeds_that_a_key_did_not_cover_are_asked_for_with_the_next_one() -> None:
    keys = Keys("old")
    async with sourcing(FakeHermes(unknown=frozenset({F2})), api_key=keys) as bench:
        await asyncio.sleep(50)
        assert bench.hermes.connections[0].feeds == (F1,)
        keys.key, bench.hermes.unknown = "new", frozenset()
        await asyncio.sleep(2)
        assert [connection.feeds for connection in bench.hermes.connections] == [(F1, F2)]


async def test_asks_nothing_at_all_until_a_throttling_server_allows_it() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        bench.hermes.stream_failure = THROTTLED
        throttled_at = now()
        bench.hermes.drop()
        await asyncio.sleep(44.9)
        assert [request.at for request in bench.hermes.opened] == [throttled_at]
        assert bench.hermes.polled == []
        assert state(bench) is SourceState.RATE_LIMITED
        bench.hermes.stream_failure = None
        await asyncio.sleep(1)
        assert state(bench) is SourceState.STREAMING


async def test_a_throttled_poll_leaves_the_stream_alone() -> None:
    async with sourcing(FakeHermes(poll_failure=THROTTLED)) as bench:
        await asyncio.sleep(60)
        assert state(bench) is SourceState.STREAMING
        assert len(bench.hermes.opened) == 1


async def test_one_unknown_feed_does_not_cost_the_others() -> None:
    async with sourcing(FakeHermes(unknown=frozenset({F1}))) as bench:
        await asyncio.sleep(5)
        (row,) = bench.source.status()
        assert (row.state, row.detail) == (SourceState.STREAMING, f"not served: feed {F1}")
        assert {feed for _, event in bench.delivered for update in event.updates for feed in update.prices} == {F2}


async def test_a_refused_feed_comes_back_without_a_gap_once_it_is_served() -> None:
    async with sourcing(FakeHermes(unknown=frozenset({F1})), timing=Timing(refused_feeds_retry_s=100)) as bench:
        await streaming(bench)
        await asyncio.sleep(150)
        assert state(bench) is SourceState.STREAMING
        bench.hermes.unknown = frozenset()
        await asyncio.sleep(100)
        (row,) = bench.source.status()
        assert row.detail == ""
        assert bench.delivered[-1][1].updates[0].prices.keys() == {F1, F2}
        assert bench.longest_gap_s(since=10) <= 0.5
        assert bench.told(SourceLost) == []


async def test_refused_feeds_that_differ_from_before_are_sorted_out() -> None:
    hermes = FakeHermes(unknown=frozenset({F1}))
    async with sourcing(hermes, feeds=(F1, F2, F3), timing=Timing(refused_feeds_retry_s=100)) as bench:
        await streaming(bench)
        hermes.unknown = frozenset({F2})
        await asyncio.sleep(150)
        assert bench.delivered[-1][1].updates[0].prices.keys() == {F1, F3}


async def test_waits_long_when_every_feed_is_refused() -> None:
    async with sourcing(FakeHermes(unknown=frozenset(FEEDS[:2]))) as bench:
        await asyncio.sleep(300)
        assert len(bench.hermes.opened) <= 11
        assert len(bench.hermes.polled) <= 11
        bench.hermes.unknown = frozenset()
        await asyncio.sleep(40)
        assert bench.delivered[-1][1].updates[0].prices.keys() == {F1, F2}


async def test_rotates_connections_without_a_gap() -> None:
    async with sourcing(timing=Timing(rotation_s=60.0)) as bench:
        await streaming(bench)
        await asyncio.sleep(200)
        assert len(bench.hermes.opened) == 3
        assert len(bench.hermes.connections) == 1
        assert bench.longest_gap_s(since=10) <= 0.5
        assert bench.told(SourceLost) == []
        slots = bench.slots()
        assert slots == list(range(slots[0], bench.hermes.slot + 1))


async def test_keeps_the_old_connection_while_no_new_one_can_be_had() -> None:
    async with sourcing(timing=Timing(rotation_s=60.0)) as bench:
        await streaming(bench)
        bench.hermes.stream_failure = DROPPED
        await asyncio.sleep(200)
        assert 2 <= len(bench.hermes.opened) <= 6
        assert bench.longest_gap_s(since=10) <= 0.5
        bench.hermes.stream_failure = None
        await asyncio.sleep(40)
        assert state(bench) is SourceState.STREAMING
        assert bench.told(SourceLost) == []


async def test_rotates_before_the_server_ends_a_connection() -> None:
    assert Timing().rotation_s + Timing().connect_timeout_s < 24 * 3600


async def test_survives_faults_of_its_own_parts() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        bench.hermes.poll_failure = bench.hermes.stream_failure = ValueError("a secret")
        bench.hermes.drop()
        await asyncio.sleep(60)
        problems = [problem.problem for problem in bench.told(SourceProblem)]
        assert any("unexpected ValueError" in problem for problem in problems)
        assert not any("secret" in problem for problem in problems)
        bench.hermes.poll_failure = bench.hermes.stream_failure = None
        await asyncio.sleep(15)
        assert state(bench) is SourceState.STREAMING


async def test_drops_old_prices_that_a_poll_brings_late() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        deliveries = len(bench.delivered)
        bench.hermes.send(as_event(signed([F1, F2], slot=5, publish_time=int(EPOCH))))
        assert len(bench.delivered) == deliveries


async def test_an_event_of_foreign_feeds_is_no_sign_of_life() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        bench.hermes.silent = True
        for slot in range(20):
            bench.hermes.send(as_event(signed([F3], slot=10**6 + slot, publish_time=int(EPOCH + now()))))
            await asyncio.sleep(0.1)
        assert len(bench.hermes.polled) == 1


async def test_splits_many_feeds_over_several_connections_and_merges_them() -> None:
    async with sourcing(feeds=FEEDS[:7], feeds_per_connection=3) as bench:
        await asyncio.sleep(5)
        assert [len(connection.feeds) for connection in bench.hermes.connections] == [3, 3, 1]
        assert {feed for _, event in bench.delivered for feed in event.updates[0].prices} == set(FEEDS[:7])
        (row,) = bench.source.status()
        assert (row.name, row.state, row.events) == (NAME, SourceState.STREAMING, len(bench.delivered))


async def test_is_no_better_than_the_worst_of_its_connections() -> None:
    async with sourcing(feeds=FEEDS[:4], feeds_per_connection=2) as bench:
        await streaming(bench)
        bench.hermes.stream_failure = DROPPED
        bench.hermes.connections[0].ending.set_result(DROPPED)
        await asyncio.sleep(1)
        (row,) = bench.source.status()
        assert (row.state, row.connected) == (SourceState.POLLING, False)


async def test_connections_share_one_poll_limit() -> None:
    async with sourcing(feeds=FEEDS[:6], feeds_per_connection=2) as bench:
        await streaming(bench)
        bench.hermes.stream_failure = DROPPED
        bench.hermes.drop()
        await asyncio.sleep(100)
        assert most_in_ten_seconds(bench.hermes.polled) <= 5
        for group in (FEEDS[:2], FEEDS[2:4], FEEDS[4:6]):
            settled = [poll.at for poll in bench.hermes.polled if poll.feeds == group and poll.at > now() - 70]
            assert max(later - earlier for earlier, later in pairwise(settled)) < 7.6


async def test_has_heard_nothing_until_every_connection_has() -> None:
    async with sourcing(FakeHermes(unknown=frozenset(FEEDS[2:4])), feeds=FEEDS[:4], feeds_per_connection=2) as bench:
        await asyncio.sleep(5)
        (row,) = bench.source.status()
        assert (row.state, row.last_event_at) == (SourceState.UNKNOWN_FEEDS, None)


async def test_other_feeds_are_subscribed_to_without_a_gap_and_in_order() -> None:
    async with sourcing(FakeHermes(opening_s=2.0)) as bench:
        await streaming(bench)
        changed_at = now()
        bench.source.subscribe([F2, F3])
        await asyncio.sleep(10)
        assert [connection.feeds for connection in bench.hermes.connections] == [(F2, F3)]
        assert longest_gap_of(bench, F2, since=changed_at) == pytest.approx(SLOT_S)
        assert bench.slots() == sorted(bench.slots())
        assert {F3} <= {feed for at, event in bench.delivered if at > changed_at + 5 for feed in feeds_of(event)}
        assert bench.told(SourceLost) == []
        assert bench.told(SourcePolling) == []
        assert state(bench) is SourceState.STREAMING


async def test_streams_before_go_on_while_the_new_ones_cannot_be_opened_but_not_for_ever() -> None:
    async with sourcing() as bench:
        await streaming(bench)
        changed_at = now()
        bench.hermes.stream_failure = bench.hermes.poll_failure = DROPPED
        bench.source.subscribe([F1, F3])
        await asyncio.sleep(9)
        assert longest_gap_of(bench, F1, since=changed_at) == pytest.approx(SLOT_S)
        await asyncio.sleep(3)
        assert bench.hermes.connections == []
        assert state(bench) is not SourceState.STREAMING
        bench.hermes.stream_failure = bench.hermes.poll_failure = None
        await asyncio.sleep(15)
        assert state(bench) is SourceState.STREAMING


async def test_however_often_feeds_change_there_are_two_streams_at_most_and_the_last_change_counts() -> None:
    async with sourcing(FakeHermes(opening_s=1.0)) as bench:
        await streaming(bench)
        changed_at = now()
        for feeds in ([F1], [F2], [F1, F3], [F2, F3]) * 3:
            bench.source.subscribe(feeds)
            await asyncio.sleep(0.3)
            assert len(bench.hermes.connections) <= 2
        await asyncio.sleep(5)
        assert [connection.feeds for connection in bench.hermes.connections] == [(F2, F3)]
        assert longest_gap_of(bench, F2, since=changed_at) == pytest.approx(SLOT_S)


def feeds_of(event: PriceEvent) -> set[FeedId]:
    return {feed for update in event.updates for feed in update.prices}


def longest_gap_of(bench: SourceBench, feed: FeedId, *, since: float) -> float:
    """Between two deliveries with that feed."""
    times = [at for at, event in bench.delivered if at > since - SLOT_S - 0.01 and feed in feeds_of(event)]
    return max(later - earlier for earlier, later in pairwise(times))
