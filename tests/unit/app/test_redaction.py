"""No known secret gets through, however it is spelled."""

import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.app.redaction import MASK, Redactor

KEY = "0123456789abcdef" * 4
VISIBLE = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=64).filter(
    lambda text: text.lower() not in MASK
)


@pytest.mark.parametrize("spelling", [KEY, f"0x{KEY}", KEY.upper(), f"key={KEY}&", f"'{KEY}'"])
def test_a_key_is_masked_in_any_case_and_company(spelling: str) -> None:
    cleaned = Redactor([KEY]).clean(f"before {spelling} after")
    assert KEY not in cleaned.lower()
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")


@given(secret=VISIBLE, before=st.text(max_size=20), after=st.text(max_size=20))
@pytest.mark.parametrize("spelled", [str, repr, json.dumps, quote])
def test_a_secret_is_masked_however_it_is_written(spelled: object, secret: str, before: str, after: str) -> None:
    assert callable(spelled)
    written = spelled(secret)
    assert written not in Redactor([secret]).clean(f"{before}{written}{after}")
    assert MASK in Redactor([secret]).clean(written)


@given(secret=VISIBLE, before=st.binary(max_size=5), after=st.binary(max_size=5))
def test_no_more_than_its_ends_show_in_base64(secret: str, before: bytes, after: bytes) -> None:
    for encode in (b64encode, urlsafe_b64encode):
        cleaned = Redactor([secret]).clean(encode(before + secret.encode() + after).decode())
        assert MASK in cleaned
        assert len(cleaned) <= len(MASK) + len(b64encode(before)) + len(b64encode(after)) + 4


def test_a_key_is_masked_as_bytes_and_as_a_number() -> None:
    raw = bytes.fromhex(KEY)
    assert Redactor([KEY]).clean(f"{raw!r} {int(KEY, 16)}") == f"b'{MASK}' {MASK}"


def test_what_is_read_anew_is_masked_from_then_on_and_what_was_before_as_well() -> None:
    redactor, answers = Redactor(["the-first-key"]), iter(["the-second-key", "the-third-key"])
    read = redactor.learning(lambda: next(answers))
    assert redactor.clean("the-second-key") == "the-second-key"
    assert (read(), read()) == ("the-second-key", "the-third-key")
    assert redactor.clean("the-first-key the-second-key the-third-key") == f"{MASK} {MASK} {MASK}"


def test_the_longest_secret_goes_first() -> None:
    url = f"https://rpc.example.org/{KEY}"
    assert Redactor([KEY, url]).clean(f"tried {url}.") == f"tried {MASK}."


def test_nothing_is_masked_where_nothing_is_secret() -> None:
    assert Redactor([]).clean("all is well") == "all is well"
    assert Redactor(["", "a"]).clean("all is well") == "all is well"
