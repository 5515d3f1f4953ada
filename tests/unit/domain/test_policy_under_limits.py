"""What is left of a policy where a limit on spending holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.budget import SpendMode
from keeper.domain.policy import (
    Confidence,
    Deviation,
    Early,
    FeedPolicy,
    Judgement,
    Reason,
    Rule,
    Staleness,
    TimeDifference,
    Verdict,
)
from keeper.domain.price import Price
from keeper.domain.units import Ppm

NOW = 1_700_000_000
PERCENT = 10_000
DUE, HOLD = Verdict.DUE, Verdict.HOLD
HEARTBEAT_ONLY, STOPPED = SpendMode.HEARTBEAT_ONLY, SpendMode.STOPPED

FULL = FeedPolicy(
    rules=(Deviation(Ppm(PERCENT)), Staleness(30), Confidence(Ppm(2 * PERCENT))),
    early=Early.ALWAYS,
    early_rules=(Deviation(Ppm(PERCENT // 2)),),
    max_source_age_s=30,
    max_confidence=Ppm(5 * PERCENT),
)
PRICE_PUSHER = FeedPolicy(rules=(TimeDifference(60), Deviation(Ppm(PERCENT))))
SAME = Price(1_000_000, 100, -5, NOW - 1)
MOVED = SAME._replace(price=2_000_000)
WIDE = SAME._replace(conf=30_000)


def on_chain(age_s: int) -> Price:
    return Price(1_000_000, 100, -5, NOW - age_s)


@pytest.mark.parametrize(
    ("mode", "source", "stored", "verdict", "reason"),
    [
        (HEARTBEAT_ONLY, SAME, on_chain(10), HOLD, Reason.WITHIN_THRESHOLDS),
        (HEARTBEAT_ONLY, MOVED, on_chain(10), HOLD, Reason.HELD_BY_BUDGET),
        (HEARTBEAT_ONLY, WIDE, on_chain(10), HOLD, Reason.HELD_BY_BUDGET),
        (HEARTBEAT_ONLY, SAME, on_chain(30), HOLD, Reason.HELD_BY_BUDGET),
        (HEARTBEAT_ONLY, SAME, on_chain(299), HOLD, Reason.HELD_BY_BUDGET),
        (HEARTBEAT_ONLY, SAME, on_chain(300), DUE, Reason.STALE),
        (HEARTBEAT_ONLY, MOVED, on_chain(300), DUE, Reason.STALE),
        (HEARTBEAT_ONLY, SAME, None, DUE, Reason.NEVER_PUSHED),
        (HEARTBEAT_ONLY, MOVED, on_chain(1), HOLD, Reason.NOT_NEWER),
        (HEARTBEAT_ONLY, SAME._replace(publish_time=NOW - 31), on_chain(300), HOLD, Reason.SOURCE_STALE),
        (HEARTBEAT_ONLY, SAME._replace(conf=50_000), on_chain(300), HOLD, Reason.CONFIDENCE_TOO_WIDE),
        (STOPPED, SAME, on_chain(10), HOLD, Reason.WITHIN_THRESHOLDS),
        (STOPPED, MOVED, on_chain(10), HOLD, Reason.HELD_BY_BUDGET),
        (STOPPED, SAME, on_chain(10**6), HOLD, Reason.HELD_BY_BUDGET),
        (STOPPED, SAME, None, HOLD, Reason.HELD_BY_BUDGET),
        (STOPPED, SAME, on_chain(10)._replace(price=0), HOLD, Reason.HELD_BY_BUDGET),
        (STOPPED, None, None, HOLD, Reason.NO_SOURCE_PRICE),
        (STOPPED, MOVED, on_chain(1), HOLD, Reason.NOT_NEWER),
    ],
)
def test_judges_with_the_reason(
    mode: SpendMode, source: Price | None, stored: Price | None, verdict: Verdict, reason: Reason
) -> None:
    assert FULL.under(mode, 300).judge(source, stored, NOW) == Judgement(verdict, reason)


@pytest.mark.parametrize(
    ("mode", "age_s", "reason"),
    [
        (HEARTBEAT_ONLY, 10, Reason.HELD_BY_BUDGET),
        (HEARTBEAT_ONLY, 300, Reason.STALE),
        (STOPPED, 300, Reason.HELD_BY_BUDGET),
    ],
)
def test_forcing_does_not_lift_a_limit(mode: SpendMode, age_s: int, reason: Reason) -> None:
    assert FULL.under(mode, 300).judge(SAME, on_chain(age_s), NOW, forced=True).reason is reason


def test_forcing_lets_no_stale_source_price_through_a_limit() -> None:
    stale = SAME._replace(publish_time=NOW - 31)
    judgement = FULL.under(HEARTBEAT_ONLY, 300).judge(stale, on_chain(300), NOW, forced=True)
    assert judgement == Judgement(HOLD, Reason.SOURCE_STALE)


@pytest.mark.parametrize(
    ("policy", "age_s", "reason"),
    [
        (FULL, 29, Reason.HELD_BY_BUDGET),
        (FULL, 30, Reason.STALE),
        (PRICE_PUSHER, 60, Reason.HELD_BY_BUDGET),
        (PRICE_PUSHER, 61, Reason.TIME_DIFFERENCE),
    ],
)
def test_without_a_heartbeat_of_its_own_rules_by_age_stay(policy: FeedPolicy, age_s: int, reason: Reason) -> None:
    assert policy.under(HEARTBEAT_ONLY, None).judge(MOVED, on_chain(age_s), NOW).reason is reason


def test_normal_mode_changes_nothing() -> None:
    assert FULL.under(SpendMode.NORMAL, 300) == FULL


@pytest.mark.parametrize("mode", [HEARTBEAT_ONLY, STOPPED])
def test_joining_stays_as_it_is_set(mode: SpendMode) -> None:
    limited = FULL.under(mode, 300)
    assert (limited.early, limited.early_rules) == (FULL.early, FULL.early_rules)
    assert limited.early_rule(MOVED, on_chain(10), NOW) is Reason.DEVIATION


RULES: list[Rule] = [
    Deviation(Ppm(0)),
    Deviation(Ppm(PERCENT)),
    Staleness(0),
    Staleness(60),
    TimeDifference(0),
    TimeDifference(60),
    Confidence(Ppm(0)),
    Confidence(Ppm(PERCENT)),
]
POLICIES = st.builds(
    FeedPolicy,
    rules=st.lists(st.sampled_from(RULES), unique=True).map(tuple),
    max_source_age_s=st.none() | st.integers(0, 1000),
)
NUMBERS = st.integers(1, 2**63 - 1)
TIMES = st.integers(NOW - 1000, NOW)


@given(
    policy=POLICIES,
    heartbeat_s=st.none() | st.integers(1, 600),
    numbers=st.tuples(NUMBERS, NUMBERS, NUMBERS),
    times=st.tuples(TIMES, TIMES),
    forced=st.booleans(),
)
def test_a_heartbeat_does_not_depend_on_what_the_price_is(
    policy: FeedPolicy,
    heartbeat_s: int | None,
    numbers: tuple[int, int, int],
    times: tuple[int, int],
    *,
    forced: bool,
) -> None:
    published, stored_at = times
    price, conf, stored_price = numbers
    limited = policy.under(HEARTBEAT_ONLY, heartbeat_s)
    stored = Price(stored_price, 1, -8, stored_at)
    moved = limited.judge(Price(price, conf, -8, published), stored, NOW, forced=forced)
    unmoved = limited.judge(stored._replace(publish_time=published), stored, NOW, forced=forced)
    assert moved.verdict is unmoved.verdict
    if moved.verdict is DUE and heartbeat_s is not None:
        assert NOW - stored_at >= heartbeat_s


@given(policy=POLICIES, published=TIMES, stored_at=st.none() | TIMES, price=NUMBERS, forced=st.booleans())
def test_nothing_is_due_when_spending_is_stopped(
    policy: FeedPolicy, published: int, stored_at: int | None, price: int, *, forced: bool
) -> None:
    source = Price(price, 1, -8, published)
    stored = None if stored_at is None else Price(1_000_000, 1, -8, stored_at)
    held = policy.under(STOPPED, 300).judge(source, stored, NOW, forced=forced)
    assert held.verdict is HOLD
    if not forced:
        assert (held.reason is Reason.HELD_BY_BUDGET) is (policy.judge(source, stored, NOW).verdict is DUE)


@given(policy=POLICIES, source_age_s=st.integers(0, 50), age_s=st.integers(51, 900), price=NUMBERS)
def test_says_so_where_only_the_budget_holds_a_feed_back(
    policy: FeedPolicy, source_age_s: int, age_s: int, price: int
) -> None:
    source, stored = Price(price, 1, -5, NOW - source_age_s), on_chain(age_s)
    limited = policy.under(HEARTBEAT_ONLY, 300).judge(source, stored, NOW)
    if policy.judge(source, stored, NOW).verdict is DUE:
        assert limited.verdict is DUE or limited.reason is Reason.HELD_BY_BUDGET
    else:
        assert limited.reason is not Reason.HELD_BY_BUDGET
