"""What is offered for gas, what a replacement must offer, and what a push costs."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.fees import (
    Cost,
    FeeKind,
    FeeMarket,
    FeePolicy,
    GasOffer,
    UpdateFee,
    bumped,
    offer,
    progress_to_join,
    push_cost,
)
from keeper.domain.units import MILLION, WEI_PER_GWEI, Gas, Ppm, Wei

AMOUNTS = st.integers(0, 10**21).map(Wei)
MULTIPLIERS = st.integers(0, 10 * MILLION).map(Ppm)
MARKETS = st.builds(FeeMarket, base_fee=st.none() | AMOUNTS, tip=AMOUNTS, gas_price=AMOUNTS)
POLICIES = st.builds(
    FeePolicy,
    kind=st.sampled_from(FeeKind),
    max_fee=AMOUNTS,
    base_fee_multiplier=MULTIPLIERS,
    tip_multiplier=MULTIPLIERS,
    min_tip=AMOUNTS,
    max_tip=st.none() | AMOUNTS,
    gas_price_multiplier=MULTIPLIERS,
    fixed=AMOUNTS,
)
NO_CAP = Wei(10**30)
LONDON = FeeMarket(base_fee=Wei(100), tip=Wei(7), gas_price=Wei(107))
BERLIN = FeeMarket(base_fee=None, tip=Wei(0), gas_price=Wei(50))


@st.composite
def offers(draw: st.DrawFn) -> GasOffer:
    tip = draw(AMOUNTS)
    return GasOffer(Wei(tip + draw(AMOUNTS)), tip)


LEGACY_OFFERS = AMOUNTS.map(lambda price: GasOffer(price, price, legacy=True))


def test_offers_room_for_the_base_fee_to_double_and_the_suggested_tip() -> None:
    assert offer(FeeMarket(base_fee=Wei(100), tip=Wei(7), gas_price=Wei(5))) == GasOffer(Wei(207), Wei(7))


def test_offers_no_less_than_the_tip_where_the_base_fee_is_nothing() -> None:
    assert offer(FeeMarket(base_fee=Wei(0), tip=Wei(7), gas_price=Wei(5))) == GasOffer(Wei(7), Wei(7))


def test_offers_the_gas_price_where_there_is_no_base_fee() -> None:
    market = FeeMarket(base_fee=None, tip=Wei(7), gas_price=Wei(5))
    assert offer(market) == GasOffer(Wei(5), Wei(5), legacy=True)


@pytest.mark.parametrize(
    ("market", "policy", "expected"),
    [
        (LONDON, FeePolicy(), GasOffer(Wei(207), Wei(7))),
        (LONDON, FeePolicy(FeeKind.EIP1559), GasOffer(Wei(207), Wei(7))),
        (LONDON, FeePolicy(base_fee_multiplier=Ppm(1_250_001)), GasOffer(Wei(126 + 7), Wei(7))),
        (LONDON, FeePolicy(tip_multiplier=Ppm(1_500_000)), GasOffer(Wei(211), Wei(11))),
        (LONDON, FeePolicy(min_tip=Wei(30)), GasOffer(Wei(230), Wei(30))),
        (LONDON, FeePolicy(max_tip=Wei(2)), GasOffer(Wei(202), Wei(2))),
        (LONDON, FeePolicy(max_fee=Wei(150)), GasOffer(Wei(150), Wei(7))),
        (LONDON, FeePolicy(max_fee=Wei(5)), GasOffer(Wei(5), Wei(5))),
        (LONDON, FeePolicy(FeeKind.LEGACY), GasOffer(Wei(107), Wei(107), legacy=True)),
        (LONDON, FeePolicy(FeeKind.FIXED, fixed=Wei(120)), GasOffer(Wei(120), Wei(120))),
        (LONDON, FeePolicy(FeeKind.FIXED, max_fee=Wei(110), fixed=Wei(120)), GasOffer(Wei(110), Wei(110))),
        (BERLIN, FeePolicy(), GasOffer(Wei(50), Wei(50), legacy=True)),
        (BERLIN, FeePolicy(gas_price_multiplier=Ppm(1_010_001)), GasOffer(Wei(51), Wei(51), legacy=True)),
        (BERLIN, FeePolicy(max_fee=Wei(40)), GasOffer(Wei(40), Wei(40), legacy=True)),
        (BERLIN, FeePolicy(FeeKind.EIP1559, min_tip=Wei(1)), GasOffer(Wei(101), Wei(1))),
        (BERLIN, FeePolicy(FeeKind.FIXED, fixed=Wei(9)), GasOffer(Wei(9), Wei(9), legacy=True)),
    ],
)
def test_offers_by_policy(market: FeeMarket, policy: FeePolicy, expected: GasOffer) -> None:
    assert offer(market, policy) == expected


@given(market=MARKETS, policy=POLICIES)
def test_never_offers_more_than_the_caps(market: FeeMarket, policy: FeePolicy) -> None:
    made = offer(market, policy)
    assert 0 <= made.tip <= made.fee_cap <= policy.max_fee
    if not made.legacy and policy.kind is not FeeKind.FIXED and policy.max_tip is not None:
        assert made.tip <= policy.max_tip


@given(base_fee=AMOUNTS, tip=AMOUNTS, fee_multiplier=MULTIPLIERS, tip_multiplier=MULTIPLIERS)
def test_multiplies_exactly_and_rounds_up(base_fee: Wei, tip: Wei, fee_multiplier: Ppm, tip_multiplier: Ppm) -> None:
    policy = FeePolicy(max_fee=NO_CAP, base_fee_multiplier=fee_multiplier, tip_multiplier=tip_multiplier)
    made = offer(FeeMarket(base_fee, tip, Wei(0)), policy)
    exact_tip = Fraction(tip) * Fraction(tip_multiplier, MILLION)
    exact_headroom = Fraction(base_fee) * Fraction(fee_multiplier, MILLION)
    assert exact_tip <= made.tip < exact_tip + 1
    assert exact_headroom <= made.fee_cap - made.tip < exact_headroom + 1


@given(gas_price=AMOUNTS, multiplier=MULTIPLIERS)
def test_multiplies_a_legacy_gas_price_exactly_and_rounds_up(gas_price: Wei, multiplier: Ppm) -> None:
    policy = FeePolicy(max_fee=NO_CAP, gas_price_multiplier=multiplier)
    exact = Fraction(gas_price) * Fraction(multiplier, MILLION)
    made = offer(FeeMarket(None, Wei(0), gas_price), policy)
    assert made.legacy
    assert exact <= made.fee_cap < exact + 1


@pytest.mark.parametrize(
    ("market", "max_fee", "priced_out"),
    [(LONDON, 99, True), (LONDON, 100, False), (BERLIN, 49, True), (BERLIN, 50, False)],
)
def test_is_priced_out_when_the_chain_asks_for_more_than_the_cap(
    market: FeeMarket, max_fee: int, *, priced_out: bool
) -> None:
    assert FeePolicy(max_fee=Wei(max_fee)).is_priced_out(market) is priced_out


def test_caps_offers_at_500_gwei_unless_told_otherwise() -> None:
    spike = FeeMarket(Wei(10**15), Wei(1), Wei(10**15))
    assert offer(spike).fee_cap == 500 * WEI_PER_GWEI


@given(old=AMOUNTS)
def test_bumps_by_an_eighth_rounded_up_and_by_one_wei_at_least(old: Wei) -> None:
    exact = max(Fraction(old) * Fraction(9, 8), Fraction(old + 1))
    nothing_new = GasOffer(Wei(0), Wei(0))
    new = bumped(GasOffer(old, old), nothing_new)
    assert new.fee_cap == new.tip
    assert exact <= new.tip < exact + 1


@pytest.mark.parametrize(("old", "new"), [(0, 1), (1, 2), (7, 8), (8, 9), (9, 11), (1000, 1125), (1001, 1127)])
def test_bumps_small_amounts(old: int, new: int) -> None:
    assert bumped(GasOffer(Wei(old), Wei(0)), GasOffer(Wei(0), Wei(0))) == GasOffer(Wei(new), Wei(1))


@given(highest=offers(), fresh=offers())
def test_bumps_both_fields_over_the_highest_and_never_below_the_fresh(highest: GasOffer, fresh: GasOffer) -> None:
    new = bumped(highest, fresh)
    alone = bumped(highest, GasOffer(Wei(0), Wei(0)))
    assert new.fee_cap == max(alone.fee_cap, fresh.fee_cap)
    assert new.tip == max(alone.tip, fresh.tip)
    assert new.fee_cap >= new.tip
    assert not new.legacy


@given(highest=LEGACY_OFFERS, fresh=LEGACY_OFFERS)
def test_bumps_a_legacy_offer_to_a_legacy_offer(highest: GasOffer, fresh: GasOffer) -> None:
    new = bumped(highest, fresh)
    assert new.legacy
    assert new.fee_cap == new.tip


def test_charges_for_each_message_and_for_the_transaction() -> None:
    fee = UpdateFee(per_message=Wei(3), per_transaction=Wei(100))
    assert [fee.of(messages) for messages in (0, 1, 10)] == [100, 103, 130]
    assert UpdateFee(per_message=Wei(3)).of(10) == 30


@given(progress=st.integers(1, MILLION), marginal=AMOUNTS, saved=AMOUNTS)
def test_joins_when_the_share_of_a_period_costs_less_than_a_push_of_its_own(
    progress: int, marginal: Wei, saved: Wei
) -> None:
    cheaper = Fraction(marginal) / Fraction(progress, MILLION) < marginal + saved
    assert (progress >= progress_to_join(marginal_cost=marginal, saved_cost=saved)) is cheaper


@given(marginal=AMOUNTS, saved=AMOUNTS)
def test_joins_never_at_the_start_of_a_period(marginal: Wei, saved: Wei) -> None:
    assert progress_to_join(marginal_cost=marginal, saved_cost=saved) > 0


def test_joins_from_the_break_even_point_on() -> None:
    assert progress_to_join(marginal_cost=Wei(26_000), saved_cost=Wei(78_000)) == 250_001


def test_adds_up_what_a_push_cost() -> None:
    cost = push_cost(Gas(95_000), Wei(20), Wei(1_000), Wei(3))
    assert cost == Cost(gas=Wei(1_901_000), update_fee=Wei(3))
    assert cost.total == 1_901_003
