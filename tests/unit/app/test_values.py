"""Percentages are exact or refused; keys are checked without being shown."""

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.app.problems import Wrong
from keeper.app.values import percent, percent_or_zero, private_key

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@given(st.integers(1, 10**12))
def test_every_multiple_of_a_ppm_is_read_exactly(ppm: int) -> None:
    assert percent(f"{ppm // 10_000}.{ppm % 10_000:04}") == ppm


@given(st.decimals(min_value=0, max_value=10**6, allow_nan=False, places=8))
def test_a_percentage_is_exact_or_refused(number: object) -> None:
    exact = Fraction(str(number)) * 10_000
    if exact.denominator == 1:
        assert percent_or_zero(str(number)) == exact
    else:
        with pytest.raises(Wrong, match="too fine"):
            percent_or_zero(str(number))


@given(st.text(max_size=30))
def test_any_text_is_a_percentage_or_refused(text: str) -> None:
    with suppress(Wrong):
        assert percent(text) > 0


@pytest.mark.parametrize(
    ("text", "ppm"), [("0.01", 100), (".5", 5000), ("5.", 50_000), ("1e-2", 100), ("0.0100", 100), (" 100 ", 1_000_000)]
)
def test_percentages_may_be_written_in_many_ways(text: str, ppm: int) -> None:
    assert percent(text) == ppm


@pytest.mark.parametrize("text", ["0.00001", "0.00015", "1e-9", "0.0100000000000000000000000001"])
def test_percentages_finer_than_a_ppm_are_refused_not_rounded(text: str) -> None:
    with pytest.raises(Wrong, match="one part per million"):
        percent(text)


@given(st.integers(1, CURVE_ORDER - 1), st.sampled_from(["{:064x}", "0x{:064x}", "{:064X}", "0X{:064X}"]))
def test_a_private_key_is_read_in_any_spelling(number: int, spelling: str) -> None:
    assert int(private_key(spelling.format(number)).get_secret_value(), 16) == number


@pytest.mark.parametrize("number", [0, CURVE_ORDER, 2**256 - 1])
def test_a_number_that_is_no_key_of_the_curve_is_refused(number: int) -> None:
    with pytest.raises(Wrong, match="zero or too large"):
        private_key(f"{number:064x}")


@given(st.text(alphabet="0123456789abcdefxyz", min_size=24, max_size=63))
def test_a_malformed_private_key_is_not_shown(text: str) -> None:
    with pytest.raises(Wrong) as raised:
        private_key(text)
    assert text not in str(raised.value)
