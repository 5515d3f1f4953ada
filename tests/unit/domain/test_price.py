"""Arithmetic on prices, against exact fractions."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.price import Price, aligned, confidence_reaches, deviates, deviation_ppm, usable
from keeper.domain.units import Ppm

TIME = 1_700_000_000
VALUES = st.integers(1, 2**63 - 1)
EXPONENTS = st.integers(-20, 20)
THRESHOLDS = st.integers(0, 3_000_000).map(Ppm)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    return Price(draw(VALUES), draw(st.integers(0, 2**64 - 1)), draw(EXPONENTS), TIME)


@st.composite
def near_pairs(draw: st.DrawFn) -> tuple[Price, Price]:
    """Two prices that differ little, at any exponents."""
    old = draw(st.integers(1, 10**12))
    new = max(1, old + draw(st.integers(-old // 100 - 2, old // 100 + 2)))
    shift = draw(st.integers(0, 6))
    source, reference = Price(new, 0, -8, TIME), Price(old, 0, -8, TIME)
    return draw(st.sampled_from([(finer(source, shift), reference), (source, finer(reference, shift))]))


def at(price: int, expo: int = -8, conf: int = 0) -> Price:
    return Price(price, conf, expo, TIME)


def finer(price: Price, digits: int) -> Price:
    """The same value with more digits."""
    return price._replace(price=price.price * 10**digits, conf=price.conf * 10**digits, expo=price.expo - digits)


def value(price: Price) -> Fraction:
    return price.price * Fraction(10) ** price.expo


def deviation(source: Price, reference: Price) -> Fraction:
    return abs(value(source) - value(reference)) / value(reference)


@given(prices(), prices())
def test_aligns_to_the_finer_scale_without_losing_a_digit(first: Price, second: Price) -> None:
    scale = Fraction(10) ** min(first.expo, second.expo)
    new, old = aligned(first, second)
    assert (new * scale, old * scale) == (value(first), value(second))


@given(near_pairs() | st.tuples(prices(), prices()), THRESHOLDS)
def test_deviates_as_exact_fractions_do(pair: tuple[Price, Price], threshold: Ppm) -> None:
    assert deviates(*pair, threshold) is (deviation(*pair) >= Fraction(threshold, 1_000_000))


@given(near_pairs() | st.tuples(prices(), prices()))
def test_rounds_a_deviation_down_to_whole_ppm(pair: tuple[Price, Price]) -> None:
    assert deviation_ppm(*pair) == deviation(*pair) * 1_000_000 // 1


@given(
    scale=st.integers(1, 10**9),
    threshold=st.integers(1, 900_000).map(Ppm),
    direction=st.sampled_from([-1, 1]),
    source_digits=st.integers(0, 9),
    reference_digits=st.integers(0, 9),
)
def test_deviates_exactly_at_the_threshold_and_not_one_below(
    scale: int, threshold: Ppm, direction: int, source_digits: int, reference_digits: int
) -> None:
    reference = at(1_000_000 * scale)
    on_it = at(reference.price + direction * threshold * scale)
    one_below = at(on_it.price - direction)
    reference = finer(reference, reference_digits)
    assert deviates(finer(on_it, source_digits), reference, threshold)
    assert not deviates(finer(one_below, source_digits), reference, threshold)
    assert deviation_ppm(finer(on_it, source_digits), reference) == threshold
    assert deviation_ppm(finer(one_below, source_digits), reference) == threshold - 1


@pytest.mark.parametrize("price", [-1, 0, 1])
def test_always_deviates_from_a_reference_of_zero(price: int) -> None:
    assert deviates(at(price), at(0), Ppm(1_000_000))


def test_measures_a_deviation_by_the_size_of_the_reference() -> None:
    assert not deviates(at(-1009), at(-1000), Ppm(10_000))
    assert deviates(at(-1010), at(-1000), Ppm(10_000))


@pytest.mark.parametrize(
    ("source", "reference"),
    [
        (at(5), at(0)),
        (at(0), at(5)),
        (at(5), at(-5)),
        (at(5, expo=2**31 - 1), at(5)),
        (at(5), at(5, expo=-(2**31))),
    ],
)
def test_tells_no_deviation_of_prices_that_cannot_be_used(source: Price, reference: Price) -> None:
    assert deviation_ppm(source, reference) is None


@given(prices(), THRESHOLDS)
def test_compares_confidence_as_exact_fractions_do(price: Price, threshold: Ppm) -> None:
    assert confidence_reaches(price, threshold) is (Fraction(price.conf, price.price) >= Fraction(threshold, 1_000_000))


@given(scale=st.integers(1, 10**9), threshold=st.integers(1, 2_000_000).map(Ppm), digits=st.integers(0, 9))
def test_reaches_the_confidence_threshold_exactly_and_not_one_below(scale: int, threshold: Ppm, digits: int) -> None:
    assert confidence_reaches(finer(at(1_000_000 * scale, conf=threshold * scale), digits), threshold)
    assert not confidence_reaches(finer(at(1_000_000 * scale, conf=threshold * scale - 1), digits), threshold)


def test_measures_confidence_by_the_size_of_the_price() -> None:
    assert not confidence_reaches(at(-1000, conf=9), Ppm(10_000))
    assert confidence_reaches(at(-1000, conf=10), Ppm(10_000))
    assert confidence_reaches(at(0, conf=0), Ppm(10_000))


@pytest.mark.parametrize(
    ("price", "makes_sense"),
    [
        (Price(1, 0, 0, 1), True),
        (Price(2**63 - 1, 2**64 - 1, -64, 2**63 - 1), True),
        (Price(1, 0, 64, 1), True),
        (Price(0, 0, -8, TIME), False),
        (Price(-1, 0, -8, TIME), False),
        (Price(1, 0, 65, TIME), False),
        (Price(1, 0, -65, TIME), False),
        (Price(1, 0, -8, 0), False),
        (Price(1, 0, -8, -1), False),
    ],
)
def test_knows_which_prices_make_sense(price: Price, makes_sense: bool) -> None:  # noqa: FBT001
    assert usable(price) is makes_sense
