"""Decimal text is exact."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.server.decimals import decimal_text, native_text

INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)


@pytest.mark.parametrize(
    ("value", "expo", "text"),
    [
        (6_140_993_501_000, -8, "61409.93501000"),
        (5, -3, "0.005"),
        (-5, -3, "-0.005"),
        (0, -2, "0.00"),
        (12, 0, "12"),
        (12, 3, "12000"),
        (1, 2_000_000_000, "1e2000000000"),
        (1, -2_000_000_000, "1e-2000000000"),
    ],
)
def test_writes_a_price(value: int, expo: int, text: str) -> None:
    assert decimal_text(value, expo) == text


@given(INT64, st.integers(min_value=-70, max_value=70))
def test_loses_no_digit(value: int, expo: int) -> None:
    with localcontext(prec=200):
        assert Decimal(decimal_text(value, expo)) == Decimal(value).scaleb(expo)


@pytest.mark.parametrize(
    ("wei", "text"),
    [(0, "0"), (1, "0.000000000000000001"), (1_500_000_000_000_000_000, "1.5"), (20 * 10**18, "20")],
)
def test_writes_an_amount_without_trailing_zeros(wei: int, text: str) -> None:
    assert native_text(wei) == text
