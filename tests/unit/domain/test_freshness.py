"""When a price on chain does not keep its policy, and when it only looks so."""

import pytest

from keeper.domain.freshness import out_of_policy
from keeper.domain.policy import Confidence, Deviation, FeedPolicy, Staleness
from keeper.domain.price import Price
from keeper.domain.units import Ppm

NOW = 1_700_000_000
POLICY = FeedPolicy(rules=(Deviation(Ppm(1000)), Staleness(60)), max_source_age_s=60)


def price(value: int = 100_000, *, age_s: int = 0) -> Price:
    return Price(value, 1, -8, NOW - age_s)


FRESH, STALE, MOVED = price(age_s=5), price(age_s=60), price(100_100)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(
    ("source", "on_chain", "out"),
    [
        (price(), FRESH, False),
        (MOVED, FRESH, True),
        (price(), STALE, True),
        (price(), None, True),
        (price(0), None, False),
        (None, None, False),
        (None, FRESH, False),
        (None, STALE, True),
        (price(-1), STALE, True),
        (price(-1), FRESH, False),
        (price(age_s=-30), STALE, True),
        (FRESH, FRESH, False),
    ],
)
def test_it_is_out_of_policy_when_an_update_is_owed(
    source: Price | None, on_chain: Price | None, *, out: bool, told: bool
) -> None:
    assert out_of_policy(POLICY, source, on_chain, NOW, told=told) is out


@pytest.mark.parametrize(
    ("source", "on_chain"),
    [(STALE, STALE), (price(age_s=100), price(age_s=100)), (price(110_000, age_s=61), price(age_s=200))],
)
@pytest.mark.parametrize("told", [True, False])
def test_an_old_source_price_is_a_closed_market_only_while_the_source_is_heard(
    source: Price, on_chain: Price, *, told: bool
) -> None:
    assert out_of_policy(POLICY, source, on_chain, NOW, told=told) is not told


def test_a_wide_confidence_interval_is_no_promise_broken() -> None:
    policy = FeedPolicy(rules=(Confidence(Ppm(1)), Staleness(60)))
    assert not out_of_policy(policy, price(), FRESH, NOW, told=True)
    assert out_of_policy(policy, price(), STALE, NOW, told=True)


def test_a_veto_is_part_of_the_policy() -> None:
    policy = FeedPolicy(rules=(Deviation(Ppm(1000)),), max_confidence=Ppm(1))
    assert not out_of_policy(policy, MOVED, FRESH, NOW, told=True)
