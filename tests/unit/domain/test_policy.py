"""When a feed is due: guards first, in their order, then the rules, each to the second and to the ppm."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.policy import (
    FUTURE_TOLERANCE_S,
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
from keeper.domain.units import MILLION, Ppm

NOW = 1_700_000_000
PERCENT = 10_000

ON_CHAIN = Price(1_000_000, 100, -5, NOW - 10)
SOURCE = Price(1_000_000, 100, -5, NOW - 1)

HEARTBEAT = FeedPolicy(rules=(Deviation(Ppm(PERCENT)), Staleness(30)))
GUARDED = FeedPolicy(rules=(Deviation(Ppm(PERCENT)),), max_source_age_s=30, max_confidence=Ppm(PERCENT))

DUE, HOLD = Verdict.DUE, Verdict.HOLD


def moved(ppm: int, price: Price = SOURCE) -> Price:
    """The price, this much higher than on chain."""
    return price._replace(price=ON_CHAIN.price * (MILLION + ppm) // MILLION)


def published(at: int, price: Price = SOURCE) -> Price:
    return price._replace(publish_time=at)


@pytest.mark.parametrize(
    ("policy", "source", "on_chain", "verdict", "reason"),
    [
        (HEARTBEAT, None, None, HOLD, Reason.NO_SOURCE_PRICE),
        (HEARTBEAT, None, ON_CHAIN, HOLD, Reason.NO_SOURCE_PRICE),
        (HEARTBEAT, SOURCE, None, DUE, Reason.NEVER_PUSHED),
        (HEARTBEAT, SOURCE, ON_CHAIN._replace(price=0), DUE, Reason.NEVER_PUSHED),
        (HEARTBEAT, SOURCE, ON_CHAIN._replace(price=-1), DUE, Reason.NEVER_PUSHED),
        (HEARTBEAT, SOURCE, ON_CHAIN._replace(expo=2**31 - 1), DUE, Reason.NEVER_PUSHED),
        (HEARTBEAT, SOURCE, ON_CHAIN, HOLD, Reason.WITHIN_THRESHOLDS),
        (HEARTBEAT, moved(PERCENT), ON_CHAIN, DUE, Reason.DEVIATION),
        (HEARTBEAT, moved(-PERCENT), ON_CHAIN, DUE, Reason.DEVIATION),
        (HEARTBEAT, moved(PERCENT - 1), ON_CHAIN, HOLD, Reason.WITHIN_THRESHOLDS),
        (HEARTBEAT, moved(1 - PERCENT), ON_CHAIN, HOLD, Reason.WITHIN_THRESHOLDS),
        (HEARTBEAT, SOURCE, published(NOW - 30, ON_CHAIN), DUE, Reason.STALE),
        (HEARTBEAT, SOURCE, published(NOW - 29, ON_CHAIN), HOLD, Reason.WITHIN_THRESHOLDS),
        (HEARTBEAT, moved(PERCENT, published(ON_CHAIN.publish_time)), ON_CHAIN, HOLD, Reason.NOT_NEWER),
        (HEARTBEAT, moved(PERCENT, published(ON_CHAIN.publish_time - 1)), ON_CHAIN, HOLD, Reason.NOT_NEWER),
        (HEARTBEAT, SOURCE._replace(price=0), ON_CHAIN, HOLD, Reason.INVALID_PRICE),
        (HEARTBEAT, SOURCE._replace(price=-5), None, HOLD, Reason.INVALID_PRICE),
        (HEARTBEAT, SOURCE._replace(expo=2**31 - 1), ON_CHAIN, HOLD, Reason.INVALID_PRICE),
        (HEARTBEAT, SOURCE._replace(expo=-(2**31)), ON_CHAIN, HOLD, Reason.INVALID_PRICE),
        (HEARTBEAT, published(0), None, HOLD, Reason.INVALID_PRICE),
        (HEARTBEAT, published(-1), None, HOLD, Reason.INVALID_PRICE),
        (HEARTBEAT, moved(PERCENT, published(NOW + 6)), ON_CHAIN, HOLD, Reason.FROM_THE_FUTURE),
        (HEARTBEAT, moved(PERCENT, published(NOW + 5)), ON_CHAIN, DUE, Reason.DEVIATION),
        (HEARTBEAT, published(2**63 - 1), None, HOLD, Reason.FROM_THE_FUTURE),
        (GUARDED, published(NOW - 31), None, HOLD, Reason.SOURCE_STALE),
        (GUARDED, published(NOW - 30), None, DUE, Reason.NEVER_PUSHED),
        (GUARDED, moved(PERCENT)._replace(conf=10_100), ON_CHAIN, HOLD, Reason.CONFIDENCE_TOO_WIDE),
        (GUARDED, moved(PERCENT)._replace(conf=10_099), ON_CHAIN, DUE, Reason.DEVIATION),
        (HEARTBEAT, moved(PERCENT)._replace(conf=2**64 - 1), ON_CHAIN, DUE, Reason.DEVIATION),
        (HEARTBEAT, published(NOW - 100_000), None, DUE, Reason.NEVER_PUSHED),
        (HEARTBEAT, SOURCE._replace(conf=2**64 - 1), ON_CHAIN, HOLD, Reason.WITHIN_THRESHOLDS),
        (FeedPolicy(rules=()), moved(MILLION), ON_CHAIN, HOLD, Reason.WITHIN_THRESHOLDS),
    ],
)
def test_judges_with_the_reason(
    policy: FeedPolicy, source: Price | None, on_chain: Price | None, verdict: Verdict, reason: Reason
) -> None:
    assert policy.judge(source, on_chain, NOW) == Judgement(verdict, reason)


GUARDS = (
    Reason.NO_SOURCE_PRICE,
    Reason.NOT_NEWER,
    Reason.INVALID_PRICE,
    Reason.FROM_THE_FUTURE,
    Reason.SOURCE_STALE,
    Reason.CONFIDENCE_TOO_WIDE,
)


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("faults", [dict(zip(GUARDS, row, strict=True)) for row in product([True, False], repeat=6)])
def test_names_the_first_guard_that_holds_the_feed_back(faults: dict[Reason, bool], forced: bool) -> None:  # noqa: FBT001
    if faults[Reason.FROM_THE_FUTURE]:
        faults[Reason.SOURCE_STALE] = False
    time = NOW + 6 if faults[Reason.FROM_THE_FUTURE] else NOW - 31 if faults[Reason.SOURCE_STALE] else NOW
    source = Price(
        price=0 if faults[Reason.INVALID_PRICE] else 2_000_000,
        conf=2_000_000 if faults[Reason.CONFIDENCE_TOO_WIDE] else 1,
        expo=-5,
        publish_time=time,
    )
    on_chain = published(time if faults[Reason.NOT_NEWER] else time - 1, ON_CHAIN)
    holding = [reason for reason in GUARDS if faults[reason] and not (forced and reason is Reason.SOURCE_STALE)]
    otherwise = Judgement(DUE, Reason.FORCED if forced else Reason.DEVIATION)
    expected = Judgement(HOLD, holding[0]) if holding else otherwise
    given_source = None if faults[Reason.NO_SOURCE_PRICE] else source
    assert GUARDED.judge(given_source, on_chain, NOW, forced=forced) == expected


ANY_PRICE = st.builds(
    Price,
    price=st.integers(-5, 2**63 - 1),
    conf=st.integers(0, 2**64 - 1),
    expo=st.integers(-(2**31), 2**31 - 1) | st.integers(-66, 66),
    publish_time=st.integers(NOW - 40, NOW + 10) | st.integers(-(2**63), 2**63 - 1),
)
POLICIES = st.builds(
    FeedPolicy,
    rules=st.lists(
        st.sampled_from([Deviation(Ppm(0)), Staleness(0), TimeDifference(0), Confidence(Ppm(0))]), unique=True
    ).map(tuple),
    max_source_age_s=st.none() | st.integers(0, 60),
    max_confidence=st.none() | st.integers(1, MILLION).map(Ppm),
)


@given(
    policy=POLICIES,
    source=st.none() | ANY_PRICE,
    on_chain=st.none() | ANY_PRICE,
    now=st.floats(NOW - 10, NOW + 10),
    forced=st.booleans(),
)
def test_never_makes_due_what_the_contract_would_skip_or_regret(
    policy: FeedPolicy,
    source: Price | None,
    on_chain: Price | None,
    now: float,
    forced: bool,  # noqa: FBT001
) -> None:
    if policy.judge(source, on_chain, now, forced=forced).verdict is DUE:
        assert source is not None
        assert source.price > 0
        assert on_chain is None or source.publish_time > on_chain.publish_time
        assert 0 < source.publish_time <= now + FUTURE_TOLERANCE_S


@pytest.mark.parametrize("on_chain", [None, ON_CHAIN, ON_CHAIN._replace(price=0)])
def test_makes_any_newer_price_due_when_forced(on_chain: Price | None) -> None:
    assert HEARTBEAT.judge(SOURCE, on_chain, NOW, forced=True) == Judgement(DUE, Reason.FORCED)


def test_lets_the_clock_tell_parts_of_a_second() -> None:
    at_the_limit = published(NOW - 30, ON_CHAIN)
    assert HEARTBEAT.judge(SOURCE, at_the_limit, NOW - 0.001).verdict is HOLD
    assert HEARTBEAT.judge(SOURCE, at_the_limit, NOW).verdict is DUE
    assert HEARTBEAT.judge(published(NOW + 5), None, NOW - 0.001).reason is Reason.FROM_THE_FUTURE
    assert GUARDED.judge(published(NOW - 30), None, NOW + 0.001).reason is Reason.SOURCE_STALE


@given(ppm=st.integers(0, 3 * PERCENT), source_digits=st.integers(0, 8), on_chain_digits=st.integers(0, 8))
def test_judges_the_value_whatever_exponent_expresses_it(ppm: int, source_digits: int, on_chain_digits: int) -> None:
    def finer(price: Price, digits: int) -> Price:
        return price._replace(price=price.price * 10**digits, conf=price.conf * 10**digits, expo=price.expo - digits)

    source, on_chain = finer(moved(ppm), source_digits), finer(ON_CHAIN, on_chain_digits)
    assert GUARDED.judge(source, on_chain, NOW) == GUARDED.judge(moved(ppm), ON_CHAIN, NOW)
    assert GUARDED.progress(source, on_chain, NOW) == GUARDED.progress(moved(ppm), ON_CHAIN, NOW)


def test_names_the_first_rule_that_triggers() -> None:
    rules: tuple[Rule, ...] = (Confidence(Ppm(50)), Staleness(5), TimeDifference(5), Deviation(Ppm(PERCENT)))
    policy = FeedPolicy(rules=rules)
    assert policy.judge(moved(PERCENT), ON_CHAIN, NOW).reason is Reason.CONFIDENCE
    reasons = [replace(policy, rules=rules[n:]).judge(moved(PERCENT), ON_CHAIN, NOW).reason for n in range(4)]
    assert reasons == [Reason.CONFIDENCE, Reason.STALE, Reason.TIME_DIFFERENCE, Reason.DEVIATION]


class TestPricePusher:
    """A feed of price_pusher's file: 60 s, 0.5%, confidence 1%; early at 30 s, 0.1%, 0.4%."""

    policy = FeedPolicy(
        rules=(TimeDifference(60), Deviation(Ppm(5_000)), Confidence(Ppm(10_000))),
        early=Early.RULES,
        early_rules=(TimeDifference(30), Deviation(Ppm(1_000)), Confidence(Ppm(4_000))),
    )
    on_chain = Price(1_000_000, 0, -5, NOW - 1000)

    @pytest.mark.parametrize(
        ("seconds", "ppm", "conf_ppm", "reason"),
        [
            (60, 0, 0, Reason.TIME_DIFFERENCE),
            (59, 0, 0, Reason.WITHIN_THRESHOLDS),
            (1, 5_000, 0, Reason.DEVIATION),
            (1, 4_999, 0, Reason.WITHIN_THRESHOLDS),
            (1, 0, 10_000, Reason.CONFIDENCE),
            (1, 0, 9_999, Reason.WITHIN_THRESHOLDS),
        ],
    )
    def test_triggers_when_any_threshold_is_reached(
        self, seconds: int, ppm: int, conf_ppm: int, reason: Reason
    ) -> None:
        assert self.policy.judge(self.source(seconds, ppm, conf_ppm), self.on_chain, NOW).reason is reason

    @pytest.mark.parametrize(
        ("seconds", "ppm", "conf_ppm", "reason"),
        [
            (30, 0, 0, Reason.TIME_DIFFERENCE),
            (29, 999, 3_999, None),
            (1, 1_000, 0, Reason.DEVIATION),
            (1, 0, 4_000, Reason.CONFIDENCE),
        ],
    )
    def test_joins_early_when_any_early_threshold_is_reached(
        self, seconds: int, ppm: int, conf_ppm: int, reason: Reason | None
    ) -> None:
        assert self.policy.early_rule(self.source(seconds, ppm, conf_ppm), self.on_chain, NOW) is reason

    def test_compares_publish_times_and_not_the_clock(self) -> None:
        source = self.source(59, 0, 0)
        assert self.policy.judge(source, self.on_chain, NOW + 10**6).reason is Reason.WITHIN_THRESHOLDS

    def source(self, seconds: int, ppm: int, conf_ppm: int) -> Price:
        """A source price that differs from the chain by this much."""
        price = 1_000_000 + ppm
        conf = -(-price * conf_ppm // MILLION)
        return Price(price, conf, -5, self.on_chain.publish_time + seconds)


def test_knows_no_early_rule_where_there_is_none() -> None:
    assert HEARTBEAT.early_rule(moved(MILLION), ON_CHAIN, NOW) is None


TIMES = st.integers(NOW - 100, NOW + 10)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Price, Price, float]:
    """Usable prices, the source's newer, and a clock that either may be ahead of."""
    on_chain = published(draw(TIMES), ON_CHAIN)
    source = moved(
        draw(st.integers(-MILLION + 1, 2 * MILLION)), published(on_chain.publish_time + draw(TIMES) - NOW + 101)
    )
    return source, on_chain, draw(st.floats(NOW - 10, NOW + 200))


@given(
    situation=situations(),
    rule=st.builds(Deviation, st.integers(0, MILLION).map(Ppm))
    | st.builds(Staleness, st.integers(0, 150))
    | st.builds(TimeDifference, st.integers(0, 150)),
)
def test_is_all_the_way_exactly_when_a_rule_triggers(situation: tuple[Price, Price, float], rule: Rule) -> None:
    progress = rule.progress(*situation)
    assert 0 <= progress <= MILLION
    assert (progress == MILLION) is rule.triggers(*situation)


@given(situation=situations(), seconds=st.floats(0, 100), limit=st.integers(0, 150))
def test_progresses_to_a_heartbeat_as_time_goes_by(
    situation: tuple[Price, Price, float], seconds: float, limit: int
) -> None:
    source, on_chain, now = situation
    rule = Staleness(limit)
    assert rule.progress(source, on_chain, now) <= rule.progress(source, on_chain, now + seconds)


@given(situation=situations(), seconds=st.integers(0, 100), limit=st.integers(0, 150))
def test_progresses_to_a_time_difference_with_the_publish_time(
    situation: tuple[Price, Price, float], seconds: int, limit: int
) -> None:
    source, on_chain, now = situation
    later = published(source.publish_time + seconds, source)
    rule = TimeDifference(limit)
    assert rule.progress(source, on_chain, now) <= rule.progress(later, on_chain, now)


@given(near=st.integers(0, MILLION), far=st.integers(0, MILLION), threshold=st.integers(0, MILLION).map(Ppm))
def test_progresses_to_a_deviation_with_the_distance(near: int, far: int, threshold: Ppm) -> None:
    near, far = sorted([near, far])
    rule = Deviation(threshold)
    assert rule.progress(moved(near), ON_CHAIN, NOW) <= rule.progress(moved(far), ON_CHAIN, NOW)


def test_progresses_by_the_square_of_a_deviation_and_in_step_with_time() -> None:
    assert Deviation(Ppm(PERCENT)).progress(moved(PERCENT // 2), ON_CHAIN, NOW) == 250_000
    assert Deviation(Ppm(PERCENT)).progress(moved(-PERCENT // 10), ON_CHAIN, NOW) == 10_000
    assert Staleness(40).progress(SOURCE, ON_CHAIN, NOW + 0.9) == 250_000
    assert Staleness(40).progress(SOURCE, published(NOW - 1, ON_CHAIN), NOW) == 25_000
    assert Staleness(40).progress(SOURCE, published(NOW + 3, ON_CHAIN), NOW) == 0
    assert TimeDifference(90).progress(SOURCE, ON_CHAIN, NOW) == 100_000
    assert Confidence(Ppm(1)).progress(SOURCE, ON_CHAIN, NOW) == 0


@pytest.mark.parametrize(("ahead_s", "progress"), [(-1, MILLION), (0, MILLION), (1, 0)])
def test_survives_a_heartbeat_of_zero_whatever_the_clock_says(ahead_s: int, progress: int) -> None:
    on_chain = published(NOW + ahead_s, ON_CHAIN)
    assert Staleness(0).triggers(SOURCE, on_chain, NOW) is (progress == MILLION)
    assert Staleness(0).progress(SOURCE, on_chain, NOW) == progress


def test_progresses_by_the_rule_that_is_nearest() -> None:
    assert HEARTBEAT.progress(moved(PERCENT // 10), ON_CHAIN, NOW) == 333_333
    assert HEARTBEAT.progress(moved(PERCENT * 9 // 10), ON_CHAIN, NOW) == 810_000
    assert FeedPolicy(rules=()).progress(moved(MILLION), ON_CHAIN, NOW) == 0
