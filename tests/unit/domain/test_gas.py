"""Gas of a push: near the measurements, and never too little after what was learned."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.gas import TRANSACTION_CAP, GasPredictor, PushShape, model
from keeper.domain.units import MILLION, Gas

SHAPES = st.builds(
    lambda feeds, first, blobs, signatures: PushShape(feeds, min(feeds, first), blobs, signatures),
    st.integers(1, 500),
    st.integers(0, 500),
    st.integers(1, 5),
    st.integers(0, 19),
)
USED = st.integers(21_000, 30_000_000).map(Gas)
PREDICTORS = st.builds(GasPredictor, st.integers(100_000, 10_000_000))
ONE_FEED = PushShape(feeds=1, first_writes=0, blobs=1, signatures=1)


def update_of(feeds: int, *, first_writes: int = 0, signatures: int = 1) -> PushShape:
    return PushShape(feeds=feeds, first_writes=first_writes, blobs=1, signatures=signatures)


@pytest.mark.parametrize(
    ("shape", "measured"),
    [
        (update_of(1), 95_000),
        (update_of(10), 328_000),
        (update_of(100), 2_700_000),
        (update_of(1, first_writes=1), 129_000),
        (update_of(10, first_writes=10), 669_000),
        (update_of(100, first_writes=100), 6_100_000),
        (update_of(1, signatures=3), 95_000 + 2 * 8_000),
        (update_of(1, signatures=13), 95_000 + 12 * 8_000),
    ],
)
def test_models_the_measured_gas(shape: PushShape, measured: int) -> None:
    assert abs(model(shape) - measured) <= measured * 3 // 100
    assert GasPredictor().expected(shape) == model(shape)


@given(SHAPES)
def test_models_more_gas_for_whatever_is_added(shape: PushShape) -> None:
    feeds, first_writes, blobs, signatures = shape.feeds, shape.first_writes, shape.blobs, shape.signatures
    larger = [
        PushShape(feeds + 1, first_writes, blobs, signatures),
        PushShape(feeds + 1, first_writes + 1, blobs, signatures),
        PushShape(feeds, first_writes, blobs + 1, signatures),
        PushShape(feeds, first_writes, blobs, signatures + 1),
    ]
    assert min(map(model, larger)) > model(shape) > 0


def test_pays_for_the_signatures_of_every_blob() -> None:
    one, two = PushShape(10, 0, 1, 5), PushShape(10, 0, 2, 5)
    assert model(two) - model(one) >= 4 * 8_000 + 8_000


@given(PREDICTORS, SHAPES)
def test_leaves_a_quarter_and_more_above_what_is_expected(predictor: GasPredictor, shape: PushShape) -> None:
    expected = predictor.expected(shape)
    assert Fraction(5, 4) * expected <= predictor.limit(shape) <= Fraction(5, 4) * expected + 20_000


@given(PREDICTORS, SHAPES, USED)
def test_leaves_a_quarter_above_what_it_just_learned(predictor: GasPredictor, shape: PushShape, used: Gas) -> None:
    assert predictor.learned(shape, used).limit(shape) >= Fraction(5, 4) * used


@given(PREDICTORS, SHAPES, USED)
def test_learns_up_at_once_and_down_by_an_eighth(predictor: GasPredictor, shape: PushShape, used: Gas) -> None:
    seen = Fraction(used * MILLION, model(shape))
    correction = predictor.learned(shape, used).correction
    if seen >= predictor.correction:
        assert seen - 1 < correction <= seen
    else:
        exact = predictor.correction - (predictor.correction - seen) / 8
        assert exact - 1 <= correction <= exact + 1
        assert correction <= predictor.correction


@given(SHAPES, USED)
def test_forgets_a_spike_in_time(shape: PushShape, used: Gas) -> None:
    predictor = GasPredictor(20_000_000)
    for _ in range(150):
        predictor = predictor.learned(shape, used)
    assert 0 <= predictor.correction - used * MILLION // model(shape) < 8


@given(PREDICTORS, SHAPES, SHAPES)
def test_carries_what_it_learned_of_one_shape_over_to_others(
    predictor: GasPredictor, shape: PushShape, other: PushShape
) -> None:
    doubled = predictor.learned(shape, Gas(predictor.expected(shape) * 2 + 1_000_000))
    assert doubled.expected(other) > predictor.expected(other) * 3 // 2


def test_knows_the_cap_on_the_gas_of_one_transaction() -> None:
    assert TRANSACTION_CAP == 16_777_216
    assert GasPredictor().limit(update_of(100, first_writes=100)) < TRANSACTION_CAP < model(update_of(700))
