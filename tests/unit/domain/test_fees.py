"""What is offered for gas, what a replacement must offer, and what a push costs."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.fees import Cost, FeeMarket, GasOffer, UpdateFee, bumped, joins_cheaper, offer, push_cost
from keeper.domain.units import MILLION, Gas, Wei

AMOUNTS = st.integers(0, 10**21).map(Wei)


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
    assert joins_cheaper(progress=progress, marginal_cost=marginal, saved_cost=saved) is cheaper


@given(marginal=AMOUNTS, saved=AMOUNTS)
def test_joins_never_at_the_start_of_a_period(marginal: Wei, saved: Wei) -> None:
    assert not joins_cheaper(progress=0, marginal_cost=marginal, saved_cost=saved)


def test_joins_from_the_break_even_point_on() -> None:
    def joins(progress: int) -> bool:
        return joins_cheaper(progress=progress, marginal_cost=Wei(26_000), saved_cost=Wei(78_000))

    assert not joins(250_000)
    assert joins(250_001)


def test_adds_up_what_a_push_cost() -> None:
    cost = push_cost(Gas(95_000), Wei(20), Wei(1_000), Wei(3))
    assert cost == Cost(gas=Wei(1_901_000), update_fee=Wei(3))
    assert cost.total == 1_901_003
