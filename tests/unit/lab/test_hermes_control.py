"""Control requests: checked in full before anything happens, and never the end of the server."""

import contextlib
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import UsageError
from keeper.lab.hermes.config import SimulatorConfig
from keeper.lab.hermes.control import ACTIONS, Action, parse_action
from keeper.lab.hermes.prices import MAX_PRICE
from keeper.lab.hermes.publisher import Publisher

NOON = 1_700_000_000
FIELDS = sorted({field for action in get_args(Action) for field in action.__struct_fields__})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("BTC/USD"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def publisher() -> Publisher:
    return Publisher(SimulatorConfig(feeds=3, volatility_ppm=0), clock=lambda: NOON)


def carry_out(target: Publisher, **request: Any) -> None:
    parse_action(request).apply(target)


@given(JSON)
def test_arbitrary_requests_raise_only_usage_errors(request: object) -> None:
    with pytest.raises(UsageError, match="actions are publish, jump"):
        parse_action(request)


@given(st.sampled_from(ACTIONS), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_whatever_the_fields_the_next_slot_is_made(action: str, fields: dict[str, Any]) -> None:
    target = publisher()
    with contextlib.suppress(UsageError):
        carry_out(target, action=action, **fields)
    slot = target.slot
    assert target.publish() == slot + 1


@given(st.sampled_from(["percent", "price"]), st.integers() | st.floats() | st.decimals().map(str))
def test_whatever_the_jump_the_price_stays_servable(field: str, value: float | str) -> None:
    target = publisher()
    with contextlib.suppress(UsageError):
        carry_out(target, action="jump", feed="BTC/USD", **{field: value})
    target.publish()
    assert 1 <= target.market.feeds[0].quote.price <= MAX_PRICE


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ({"action": "jump", "feed": "BTC/USD", "percent": 1, "by": 2}, "jump: .*unknown field `by`"),
        ({"action": "jump", "percent": 1}, "missing required field `feed`"),
        ({"action": "jump", "feed": "BTC/USD", "percent": "much"}, "percent"),
        ({"action": "volatility", "ppm": -1}, "volatility: .*>= 0"),
        ({"action": "volatility", "ppm": 1.5}, "ppm"),
        ({"action": "refuse", "how": "502"}, "502"),
        ({"action": "delay", "stream_ms": 60_000}, "<= 10000"),
        ({"action": "garbage", "kind": "soup"}, "soup"),
        ({"action": "error", "message": "two\nlines"}, "message"),
        ({"action": "remove"}, "missing required field `feeds`"),
    ],
)
def test_says_what_is_wrong_with_a_request(request_: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse_action(request_)


@pytest.mark.parametrize("action", ["freeze", "shift", "remove", "deny", "volatility"])
def test_one_unknown_feed_leaves_the_others_alone(action: str) -> None:
    target = publisher()
    extra = {"shift": {"seconds": 5}, "volatility": {"ppm": 7}}.get(action, {})
    before = target.market.feeds[0].as_json()
    with pytest.raises(UsageError, match="no feed 'NO/ONE'"):
        carry_out(target, action=action, feeds=["BTC/USD", "NO/ONE"], **extra)
    assert target.market.feeds[0].as_json() == before


def test_a_jump_makes_a_slot_at_once_unless_told_to_wait() -> None:
    target = publisher()
    slot = target.slot
    carry_out(target, action="jump", feed="BTC/USD", percent=1)
    assert (target.slot, target.market.feeds[0].quote.price) == (slot + 1, 65_650 * 10**8)
    carry_out(target, action="jump", feed="BTC/USD", price="70000.5", now=False)
    assert (target.slot, target.market.feeds[0].quote.price) == (slot + 1, 65_650 * 10**8)
    target.publish()
    assert target.market.feeds[0].quote.price == 7_000_050_000_000


def test_percents_are_exact_however_they_are_written() -> None:
    for percent in (0.1, "0.1", Decimal("0.1")):
        target = publisher()
        carry_out(target, action="jump", feed="BTC/USD", percent=percent)
        assert target.market.feeds[0].quote.price == 65_065 * 10**8


def test_reset_restores_the_settings_of_the_start() -> None:
    config = SimulatorConfig(
        feeds=3, volatility_ppm=0, api_key="k", rate_limit=True, not_entitled=frozenset({"SOL/USD"})
    )
    target = Publisher(config, clock=lambda: NOON)
    normal = (target.faults.as_json(), [state.as_json() for state in target.market.feeds])
    for request in (
        {"action": "api_key", "key": None},
        {"action": "throttle", "mode": "always", "retry_after_s": 3},
        {"action": "refuse", "how": "503", "routes": "all"},
        {"action": "silence"},
        {"action": "garbage", "kind": "json"},
        {"action": "delay", "stream_ms": 5, "latest_ms": 5},
        {"action": "forge"},
        {"action": "split_slots"},
        {"action": "freeze"},
        {"action": "shift", "seconds": 60},
        {"action": "remove", "feeds": ["BTC/USD"]},
        {"action": "deny", "feeds": []},
        {"action": "volatility", "ppm": 9},
    ):
        before = (target.faults.as_json(), [state.as_json() for state in target.market.feeds], _steps(target))
        carry_out(target, **request)
        after = (target.faults.as_json(), [state.as_json() for state in target.market.feeds], _steps(target))
        assert after != before
    carry_out(target, action="reset")
    assert (target.faults.as_json(), [state.as_json() for state in target.market.feeds]) == normal
    assert _steps(target) == [0, 0, 0]


def test_the_state_never_tells_the_key() -> None:
    target = Publisher(SimulatorConfig(api_key="secret"), clock=lambda: NOON)
    assert target.faults.as_json()["api_key"] is True
    assert "secret" not in repr(SimulatorConfig(api_key="secret"))


def _steps(target: Publisher) -> list[int]:
    return [getattr(state.model, "volatility_ppm", -1) for state in target.market.feeds]
