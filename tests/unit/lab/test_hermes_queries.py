"""Query strings of the simulator's routes, and its rate limit."""

import pytest
from aiohttp import web
from multidict import MultiDict

from keeper.domain.errors import UsageError
from keeper.lab.hermes.config import SimulatorConfig
from keeper.lab.hermes.feeds import Catalogue
from keeper.lab.hermes.limits import RateLimit
from keeper.lab.hermes.market import Market
from keeper.lab.hermes.queries import PriceQuery, feed_filter, price_query

BTC, ETH, SOL = (feed.id for feed in Catalogue(3).feeds)
UNKNOWN = "77" * 32


def market() -> Market:
    return Market(SimulatorConfig(feeds=3), now_s=1_700_000_000)


def query(*pairs: tuple[str, str]) -> PriceQuery:
    return price_query(MultiDict(pairs), market())


def test_ids_come_in_any_form_and_keep_their_order() -> None:
    asked = query(("ids[]", ETH), ("ids[]", "0x" + BTC.upper()))
    assert asked == PriceQuery(feeds=(1, 0), encoding="hex", parsed=True, benchmarks_only=False)


def test_reads_every_parameter() -> None:
    asked = query(
        ("ids[]", UNKNOWN),
        ("ids[]", SOL),
        ("encoding", "base64"),
        ("parsed", "false"),
        ("allow_unordered", "true"),
        ("benchmarks_only", "true"),
        ("ignore_invalid_price_ids", "true"),
    )
    assert asked == PriceQuery(feeds=(2,), encoding="base64", parsed=False, benchmarks_only=True)


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [("ids[]", "")],
        [("ids[]", "0x12")],
        [("ids[]", "zz" * 32)],
        [("ids[]", BTC), ("ids[]", "1")],
        [("ids[]", BTC), ("encoding", "HEX")],
        [("ids[]", BTC), ("parsed", "yes")],
        [("ids[]", BTC), ("allow_unordered", "")],
    ],
)
def test_malformed_queries_are_bad_requests(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(web.HTTPBadRequest) as refused:
        query(*pairs)
    assert (refused.value.text or "").startswith("Failed to deserialize query string: ")


def test_unknown_ids_are_listed() -> None:
    with pytest.raises(web.HTTPNotFound) as refused:
        query(("ids[]", BTC), ("ids[]", UNKNOWN), ("ids[]", "88" * 32))
    assert refused.value.text == f"Price ids not found: 0x{UNKNOWN}, 0x{'88' * 32}"


def test_filters_feeds_as_the_metadata_route_does() -> None:
    feeds = Catalogue(12).feeds

    def symbols(**parameters: str) -> list[str]:
        return [feed.symbol for feed in filter(feed_filter(MultiDict(parameters)), feeds)]

    assert symbols() == [feed.symbol for feed in feeds]
    assert symbols(query="bTc") == ["BTC/USD"]
    assert symbols(asset_type="fx") == ["EUR/USD", "GBP/USD"]
    assert symbols(asset_type="FX", query="gbp") == ["GBP/USD"]
    assert symbols(query="nothing") == []
    with pytest.raises(web.HTTPBadRequest):
        symbols(asset_type="spice")


def test_more_than_ten_requests_in_ten_seconds_earn_a_minute_of_refusal() -> None:
    limit = RateLimit()
    assert all(limit.allows("a", now=float(second)) for second in range(10))
    assert limit.allows("a", now=10.0)
    assert not limit.allows("a", now=10.5)
    assert not limit.allows("a", now=70.4)
    assert limit.allows("a", now=70.5)


def test_the_rate_limit_is_each_clients_own() -> None:
    limit = RateLimit(requests=1)
    assert limit.allows("a", now=0.0)
    assert not limit.allows("a", now=1.0)
    assert limit.allows("b", now=1.0)


def test_the_rate_limit_forgets_everyone_when_there_are_too_many_clients() -> None:
    limit = RateLimit(requests=1)
    assert limit.allows("a", now=0.0)
    for number in range(2000):
        limit.allows(f"client {number}", now=1.0)
    assert limit.allows("a", now=2.0)


@pytest.mark.parametrize(
    "numbers",
    [
        {"interval_ms": -1},
        {"volatility_ppm": -1},
        {"speed": 0.0},
        {"speed": float("nan")},
        {"keepalive_s": 0.0},
        {"buffer_events": 0},
        {"signer_set_index": 2**32},
    ],
)
def test_refuses_settings_out_of_range(numbers: dict[str, float]) -> None:
    (name,) = numbers
    with pytest.raises(UsageError, match=name):
        SimulatorConfig(**numbers)  # type: ignore[arg-type]
