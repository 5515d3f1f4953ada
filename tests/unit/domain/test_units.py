"""Feed ids as people write them."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import UsageError
from keeper.domain.units import parse_feed_id

BTC = "e62df6c8b4a85fe1a67db44dc12de5db330f7ac66b72dc658afedf0f4a415b43"


@pytest.mark.parametrize(
    "text", [BTC, BTC.upper(), f"0x{BTC}", f"0X{BTC.upper()}", f"  0x{BTC}\n", BTC[:30] + BTC[30:].upper()]
)
def test_reads_a_feed_id_in_every_common_spelling(text: str) -> None:
    assert parse_feed_id(text) == BTC


@given(st.text(alphabet=string.hexdigits, min_size=64, max_size=64))
def test_lowers_any_64_hex_digits(digits: str) -> None:
    assert parse_feed_id(digits) == parse_feed_id("0x" + digits) == digits.lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        BTC[:-1],
        BTC + "0",
        "g" + BTC[1:],
        f"0x0x{BTC}",
        f"0x0X{BTC}",
        f"0x{BTC[:-2]}",
        BTC[:32] + " " + BTC[33:],
        BTC[:32] + "_" + BTC[33:],
        "BTC/USD",
        "٣" * 64,
    ],
)
def test_refuses_what_is_no_feed_id_and_says_what_is_wanted(text: str) -> None:
    with pytest.raises(UsageError, match="64 hex digits"):
        parse_feed_id(text)
