"""Only news pass."""

from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.accumulator import Update, decode
from keeper.domain.units import FeedId
from keeper.hermes.guard import FUTURE_LIMIT_S, NewestGuard
from tests.support.market import FEEDS
from tests.support.updates import Envelope, Quote, build_update

F1, F2, F3 = FEEDS[:3]
NOW = 1_700_000_000


def update(slot: int, **publish_times: int) -> Update:
    """An update with publish times by feed, `F1=NOW`."""
    messages = [
        Quote(feed_id=FEEDS[int(name[1:]) - 1], price=1, publish_time=at).message()
        for name, at in publish_times.items()
    ]
    return decode(build_update(messages, Envelope(slot=slot)))


def passes(guard: NewestGuard, candidate: Update) -> bool:
    return guard.advances(candidate, now=float(NOW))


def test_passes_a_slot_once() -> None:
    guard = NewestGuard([F1, F2])
    assert passes(guard, update(5, F1=NOW, F2=NOW))
    assert not passes(guard, update(5, F1=NOW, F2=NOW))


def test_within_a_second_a_higher_slot_is_newer() -> None:
    guard = NewestGuard([F1])
    assert passes(guard, update(5, F1=NOW))
    assert passes(guard, update(6, F1=NOW))
    assert not passes(guard, update(5, F1=NOW))


def test_an_older_publish_time_is_old_whatever_its_slot() -> None:
    guard = NewestGuard([F1])
    assert passes(guard, update(5, F1=NOW))
    assert not passes(guard, update(9, F1=NOW - 1))


def test_one_newer_feed_is_enough() -> None:
    guard = NewestGuard([F1, F2])
    assert passes(guard, update(5, F1=NOW, F2=NOW - 9))
    assert passes(guard, update(4, F1=NOW - 1, F2=NOW - 1))
    assert not passes(guard, update(5, F1=NOW, F2=NOW - 2))


def test_foreign_feeds_are_no_news_and_are_not_remembered() -> None:
    guard = NewestGuard([F1])
    assert not guard.holds(update(5, F3=NOW))
    assert not passes(guard, update(5, F3=NOW))
    assert guard.holds(update(5, F1=NOW, F3=NOW))


def test_a_publish_time_far_ahead_does_not_block_what_follows() -> None:
    guard = NewestGuard([F1])
    assert passes(guard, update(5, F1=NOW + 10**9))
    assert passes(guard, update(6, F1=NOW))


def test_a_clock_a_little_behind_costs_no_order() -> None:
    guard = NewestGuard([F1])
    ahead = NOW + int(FUTURE_LIMIT_S)
    assert passes(guard, update(5, F1=ahead))
    assert not passes(guard, update(6, F1=ahead - 1))


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.dictionaries(st.sampled_from(["F1", "F2"]), st.integers(-3, 3), min_size=1))
    )
)
def test_what_passes_is_newer_for_some_feed_than_all_that_passed_before(
    history: list[tuple[int, dict[str, int]]],
) -> None:
    guard = NewestGuard([F1, F2])
    passed: dict[FeedId, list[tuple[int, int]]] = {F1: [], F2: []}
    for slot, offsets in history:
        candidate = update(slot, **{name: NOW + offset for name, offset in offsets.items()})
        stamps = {feed: (price.publish_time, slot) for feed, price in candidate.prices.items()}
        is_news = any(stamp > max(passed[feed], default=(0, 0)) for feed, stamp in stamps.items())
        assert passes(guard, candidate) == is_news
        if is_news:
            for feed, stamp in stamps.items():
                passed[feed].append(stamp)
