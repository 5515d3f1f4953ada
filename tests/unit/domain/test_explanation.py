"""An explanation tells what the policy goes by: whoever reads it alone comes to the same verdict."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.budget import SpendMode
from keeper.domain.explanation import Explanation, Guard, Measure, Unit, Weighed, explain
from keeper.domain.policy import (
    DUE,
    HELD,
    Confidence,
    Deviation,
    Early,
    FeedPolicy,
    Judgement,
    Reason,
    Rule,
    Staleness,
    TimeDifference,
)
from keeper.domain.price import Price, usable
from keeper.domain.units import MILLION, Ppm

NOW = 1_700_000_000
ON_CHAIN = Price(1_000_000, 100, -5, NOW - 10)
SOURCE = Price(1_004_000, 2_008, -5, NOW - 1)
POLICY = FeedPolicy(rules=(Deviation(Ppm(5_000)), Staleness(30)), max_source_age_s=60, max_confidence=Ppm(10_000))


def test_puts_each_value_beside_its_limit() -> None:
    assert explain(POLICY, SOURCE, ON_CHAIN, NOW + 0.5) == Explanation(
        judgement=HELD[Reason.WITHIN_THRESHOLDS],
        guards=(
            Guard(Reason.NO_SOURCE_PRICE, holds_back=False, measure=None),
            Guard(Reason.NOT_NEWER, holds_back=False, measure=Measure(9, 1, Unit.SECONDS)),
            Guard(Reason.INVALID_PRICE, holds_back=False, measure=None),
            Guard(Reason.FROM_THE_FUTURE, holds_back=False, measure=Measure(-1, 5, Unit.SECONDS)),
            Guard(Reason.SOURCE_STALE, holds_back=False, measure=Measure(2, 60, Unit.SECONDS)),
            Guard(Reason.CONFIDENCE_TOO_WIDE, holds_back=False, measure=Measure(2_000, 10_000, Unit.PPM)),
        ),
        rules=(
            Weighed(Reason.DEVIATION, met=False, measure=Measure(4_000, 5_000, Unit.PPM)),
            Weighed(Reason.STALE, met=False, measure=Measure(10, 30, Unit.SECONDS)),
        ),
        early=Early.CHEAPER,
        early_rules=(),
        progress=Ppm(640_000),
        next_heartbeat_at=NOW + 20,
    )


@pytest.mark.parametrize(("passed_s", "due"), [(19.999, False), (20.0, True)])
def test_names_the_moment_from_which_the_heartbeat_makes_the_feed_due(passed_s: float, due: bool) -> None:  # noqa: FBT001
    at = explain(POLICY, SOURCE, ON_CHAIN, NOW).next_heartbeat_at
    assert at is not None
    later = at - 20 + passed_s
    newer = SOURCE._replace(publish_time=NOW + 10)
    expected = DUE[Reason.STALE] if due else HELD[Reason.WITHIN_THRESHOLDS]
    assert explain(POLICY, newer, ON_CHAIN, later).judgement == expected


def test_knows_no_heartbeat_before_the_first_push_or_without_such_a_rule() -> None:
    assert explain(POLICY, SOURCE, None, NOW).next_heartbeat_at is None
    assert explain(replace(POLICY, rules=()), SOURCE, ON_CHAIN, NOW).next_heartbeat_at is None


def test_tells_rules_that_a_limit_on_spending_withholds() -> None:
    held = explain(POLICY.under(SpendMode.HEARTBEAT_ONLY, 90), replace_price(SOURCE, 2_000_000), ON_CHAIN, NOW)
    assert held.judgement == HELD[Reason.HELD_BY_BUDGET]
    assert [(rule.reason, rule.met, rule.in_force) for rule in held.rules] == [
        (Reason.STALE, False, True),
        (Reason.DEVIATION, True, False),
        (Reason.STALE, False, False),
    ]
    assert held.next_heartbeat_at == ON_CHAIN.publish_time + 90


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"conf": 10_039}, Reason.WITHIN_THRESHOLDS),
        ({"conf": 10_040}, Reason.CONFIDENCE_TOO_WIDE),
        ({"publish_time": NOW - 10}, Reason.NOT_NEWER),
        ({"publish_time": NOW + 5}, Reason.WITHIN_THRESHOLDS),
        ({"publish_time": NOW + 6}, Reason.FROM_THE_FUTURE),
    ],
)
def test_draws_the_line_where_the_policy_does(changes: dict[str, int], reason: Reason) -> None:
    told = explain(POLICY, SOURCE._replace(**changes), ON_CHAIN, NOW)
    assert told.judgement == HELD[reason] == concluded(told, POLICY, never_pushed=False)


def replace_price(price: Price, to: int) -> Price:
    return price._replace(price=to)


PPM = st.integers(0, 2 * MILLION).map(Ppm)
SECONDS = st.integers(1, 60)
RULES: st.SearchStrategy[Rule] = (
    PPM.map(Deviation) | SECONDS.map(Staleness) | SECONDS.map(TimeDifference) | PPM.map(Confidence)
)
MODES = st.sampled_from(SpendMode)
POLICIES = st.builds(
    FeedPolicy,
    rules=st.lists(RULES, max_size=3).map(tuple),
    early_rules=st.lists(RULES, max_size=2).map(tuple),
    max_source_age_s=st.none() | SECONDS,
    max_confidence=st.none() | PPM,
)
LIMITED = st.builds(FeedPolicy.under, POLICIES, MODES, st.none() | SECONDS)
TIMES = st.integers(NOW - 70, NOW + 10) | st.integers(-1, 1)
PRICES = st.builds(
    Price,
    price=st.integers(-1, 200),
    conf=st.integers(0, 300),
    expo=st.integers(-3, 2) | st.sampled_from([-(2**31), 2**31 - 1]),
    publish_time=TIMES,
)
MOMENTS = st.floats(NOW - 80, NOW + 80) | st.integers(NOW - 80, NOW + 80).map(float)


@given(LIMITED, st.none() | PRICES, st.none() | PRICES, MOMENTS)
def test_leads_whoever_reads_it_alone_to_the_verdict_of_the_policy(
    policy: FeedPolicy, source: Price | None, on_chain: Price | None, now: float
) -> None:
    told = explain(policy, source, on_chain, now)
    assert told.judgement == policy.judge(source, on_chain, now)
    assert told.judgement == concluded(told, policy, never_pushed=on_chain is None or not usable(on_chain))


def concluded(told: Explanation, policy: FeedPolicy, *, never_pushed: bool) -> Judgement:
    """The verdict by the guards and rules that are told."""
    holding = next((guard.reason for guard in told.guards if guard.holds_back), None)
    if holding is not None:
        return HELD[holding]
    if never_pushed:
        return HELD[Reason.HELD_BY_BUDGET] if policy.stopped else DUE[Reason.NEVER_PUSHED]
    met = [rule for rule in told.rules if rule.met]
    if in_force := [rule for rule in met if rule.in_force]:
        return DUE[in_force[0].reason]
    return HELD[Reason.HELD_BY_BUDGET if met else Reason.WITHIN_THRESHOLDS]


@given(LIMITED, PRICES, PRICES, MOMENTS)
def test_shows_numbers_that_tell_whether_a_rule_is_met(
    policy: FeedPolicy, source: Price, on_chain: Price, now: float
) -> None:
    told = explain(policy, source, on_chain, now)
    for rule in (*told.rules, *told.early_rules):
        assert (rule.measure is not None) == (usable(source) and usable(on_chain))
        if rule.measure is not None:
            assert rule.met == (rule.measure.value >= rule.measure.limit)
