"""The shortcut past the rules says what the rules say, or nothing."""

from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.calm import calm_of
from keeper.domain.policy import HELD, Confidence, Deviation, FeedPolicy, Reason, Rule, Staleness, TimeDifference
from keeper.domain.price import Price
from keeper.domain.units import MILLION, Ppm

NOW = 1_700_000_000
WITHIN = HELD[Reason.WITHIN_THRESHOLDS]

thresholds = st.integers(1, 30_000).map(Ppm)
seconds = st.integers(1, 90)
plain_rules = st.one_of(
    st.builds(Deviation, thresholds), st.builds(Staleness, seconds), st.builds(TimeDifference, seconds)
)


def policies(rules: st.SearchStrategy[Rule]) -> st.SearchStrategy[FeedPolicy]:
    return st.builds(
        FeedPolicy,
        rules=st.lists(rules, max_size=3).map(tuple),
        max_source_age_s=st.none() | seconds,
        max_confidence=st.none(),
    )


def prices(expo: st.SearchStrategy[int]) -> st.SearchStrategy[Price]:
    times = st.integers(NOW - 100, NOW + 10) | st.sampled_from([0, -1])
    return st.builds(Price, st.integers(-1, 10) | st.integers(990_000, 1_010_000), st.integers(0, 9_000), expo, times)


any_price, same_scale = prices(st.integers(-9, -7)), prices(st.just(-8))
moments = st.floats(NOW - 5, NOW + 60)


@given(policies(st.one_of(plain_rules, st.builds(Confidence, thresholds))), any_price, any_price, moments)
def test_it_never_says_what_the_rules_do_not(policy: FeedPolicy, source: Price, on_chain: Price, now: float) -> None:
    shortcut = calm_of(policy, on_chain)
    if shortcut is not None and shortcut.holds(source, now):
        assert policy.judge(source, on_chain, now) == WITHIN


@given(policies(plain_rules), same_scale, same_scale, moments)
def test_it_misses_nothing_that_plain_rules_hold(
    policy: FeedPolicy, source: Price, on_chain: Price, now: float
) -> None:
    if policy.judge(source, on_chain, now) == WITHIN:
        shortcut = calm_of(policy, on_chain)
        assert shortcut is not None
        assert shortcut.holds(source, now)


@given(policies(plain_rules), any_price, any_price, moments, st.integers(1, MILLION + 1))
def test_what_is_short_of_some_progress_has_made_less(
    policy: FeedPolicy, source: Price, on_chain: Price, now: float, progress: int
) -> None:
    shortcut = calm_of(policy, on_chain)
    if shortcut is not None and shortcut.is_short_of(progress, source, now):
        assert policy.progress(source, on_chain, now) < progress


def test_a_price_that_has_not_moved_is_short_of_any_progress_until_it_ages() -> None:
    on_chain = Price(1_000_000, 1, -8, NOW)
    shortcut = calm_of(FeedPolicy(rules=(Deviation(Ppm(100)), Staleness(100))), on_chain)
    assert shortcut is not None
    assert shortcut.is_short_of(100_000, on_chain, NOW + 9)
    assert not shortcut.is_short_of(100_000, on_chain, NOW + 10)


def test_a_veto_and_a_limit_on_spending_leave_it_to_the_rules() -> None:
    on_chain = Price(1_000_000, 1, -8, NOW)
    assert calm_of(FeedPolicy(rules=(), max_confidence=Ppm(1)), on_chain) is None
    assert calm_of(FeedPolicy(rules=(), withheld=()), on_chain) is None
