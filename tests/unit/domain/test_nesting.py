"""How deep JSON may be nested."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.nesting import MAX_DEPTH, MAX_MARKS, refuse_deep_nesting

LOG = {"address": "0xab", "topics": ["0x1", "0x2"], "data": "0x", "removed": False}
VALUES = st.recursive(
    st.none() | st.integers() | st.text('[]{}"\\,: é') | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('[]{}"\\'), inner),
    max_leaves=8,
)
"""Less than seven deep."""


def wrapped(value: object, shape: str) -> Any:
    """The value in arrays (`[`) and objects (`{`), the first of the shape outermost."""
    for bracket in reversed(shape):
        value = [0, value] if bracket == "[" else {"]": value}
    return value


@pytest.mark.parametrize("count", [1, 100, 50_000])
def test_accepts_any_number_of_event_logs(count: int) -> None:
    refuse_deep_nesting(json.dumps({"jsonrpc": "2.0", "id": 1, "result": [LOG] * count}))


@given(value=VALUES, shape=st.text("[{", max_size=MAX_DEPTH // 4))
def test_accepts_everything_of_half_the_depth(value: object, shape: str) -> None:
    text = json.dumps([wrapped(value, shape)] * (MAX_DEPTH + 1))
    refuse_deep_nesting(text)
    refuse_deep_nesting(text.encode())


@given(value=VALUES, shape=st.text("[{", min_size=MAX_DEPTH + 1, max_size=4 * MAX_DEPTH), compact=st.booleans())
def test_refuses_everything_deeper(value: object, shape: str, *, compact: bool) -> None:
    text = json.dumps([value, wrapped(value, shape)], separators=(",", ":") if compact else None, ensure_ascii=compact)
    with pytest.raises(ValueError, match="deeper than 32"):
        refuse_deep_nesting(text)
    with pytest.raises(ValueError, match="deeper than 32"):
        refuse_deep_nesting(text.encode())


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":', '["]]",', '["\\"]]",', '["\\\\",{"]":'])
@pytest.mark.parametrize("closed", ["", "]", "}", '"'])
def test_refuses_what_is_opened_too_often_however_it_goes_on(opening: str, closed: str) -> None:
    with pytest.raises(ValueError, match="deeper than 32"):
        refuse_deep_nesting(opening * (MAX_DEPTH + 1) + closed)


def test_brackets_in_strings_do_not_count() -> None:
    refuse_deep_nesting(json.dumps(["[" * 1000, "\\", '"[', '\\"{', "{" * 1000]))


def test_refuses_to_look_at_endless_brackets() -> None:
    with pytest.raises(ValueError, match="too many"):
        refuse_deep_nesting("[" + "[]," * (MAX_MARKS // 2) + "[]]")
