"""Amounts and prices of gas in the settings: exact to the wei, or refused."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.app.money import coins, gwei, gwei_or_zero, headroom, multiplier
from keeper.app.problems import SettingsError, Wrong
from keeper.domain.units import MILLION
from tests.support.settings import settings


@given(wei=st.integers(1, 10**26))
def test_every_amount_is_read_exactly(wei: int) -> None:
    assert coins(f"{Decimal(wei).scaleb(-18):f}") == wei
    assert gwei(f"{Decimal(wei).scaleb(-9):f}") == wei


@given(ppm=st.integers(1, 100 * MILLION))
def test_every_factor_is_read_exactly(ppm: int) -> None:
    assert multiplier(f"{Decimal(ppm).scaleb(-6):f}") == ppm


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (coins, "0", "more than 0"),
        (coins, "-1", "not a number"),
        (coins, "0.0000000000000000001", "one wei"),
        (coins, "1 ETH", "not a number"),
        (gwei, "0", "more than 0"),
        (gwei, "0.0000000001", "one wei"),
        (gwei_or_zero, "-1", "not a number"),
        (multiplier, "0", "from 0.000001 to 100"),
        (multiplier, "100.000001", "from 0.000001 to 100"),
        (multiplier, "1.0000001", "six decimals"),
        (headroom, "0.999999", "less than 1"),
    ],
)
def test_tells_what_is_wrong(read: Callable[[object], int], text: str, words: str) -> None:
    with pytest.raises(Wrong, match=words):
        read(text)


@pytest.mark.parametrize("text", ["0", "0.0"])
def test_a_tip_may_be_nothing(text: str) -> None:
    assert gwei_or_zero(text) == 0


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"FEE_STRATEGY": "fixed"}, "FEE_STRATEGY in the environment: a fixed fee is wanted: set FEE_FIXED_GWEI"),
        (
            {"FEE_STRATEGY": "fixed", "FEE_FIXED_GWEI": "501"},
            "FEE_FIXED_GWEI in the environment: is more than MAX_FEE_GWEI: raise that as well",
        ),
        (
            {"MIN_TIP_GWEI": "2", "MAX_TIP_GWEI": "1.9"},
            "MAX_TIP_GWEI in the environment: is less than MIN_TIP_GWEI",
        ),
        (
            {"TIP_PERCENTILE": "101"},
            "TIP_PERCENTILE in the environment: '101' is not a percentile from 0 to 100",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_told_once(environ: dict[str, str], line: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        settings(environ)
    assert wrong.value.lines == (line,)


def test_a_mistake_in_the_cap_is_not_blamed_on_the_fixed_fee() -> None:
    with pytest.raises(SettingsError) as wrong:
        settings({"MAX_FEE_GWEI": "lots", "FEE_STRATEGY": "fixed", "FEE_FIXED_GWEI": "5"})
    (line,) = wrong.value.lines
    assert line.startswith("MAX_FEE_GWEI")
