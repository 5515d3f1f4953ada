"""What a client asks for: the query strings of the price routes and of the metadata route."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast, get_args

from aiohttp import web
from multidict import MultiMapping

from keeper.domain.errors import UsageError
from keeper.domain.units import FeedId, parse_feed_id
from keeper.lab.hermes.feeds import Feed
from keeper.lab.hermes.market import Market
from keeper.lab.hermes.wire import Encoding

_ASSET_TYPES = ("crypto", "fx", "equity", "metal", "rates", "crypto_redemption_rate")


@dataclass(frozen=True, slots=True)
class PriceQuery:
    """One subscription or request: indexes of the feeds in the order asked for, and how to write them."""

    feeds: tuple[int, ...]
    encoding: Encoding
    parsed: bool
    benchmarks_only: bool


def price_query(query: MultiMapping[str], market: Market) -> PriceQuery:
    """Read a price route's query; raises the HTTP 400, 403 or 404 that Hermes answers with.

    `allow_unordered` is accepted and changes nothing: slots always come in order here.
    """
    _flag(query, "allow_unordered", default=False)
    ids = _feed_ids(query)
    return PriceQuery(
        feeds=_served(ids, market, ignore_invalid=_flag(query, "ignore_invalid_price_ids", default=False)),
        encoding=_encoding(query),
        parsed=_flag(query, "parsed", default=True),
        benchmarks_only=_flag(query, "benchmarks_only", default=False),
    )


def feed_filter(query: MultiMapping[str]) -> Callable[[Feed], bool]:
    """Which feeds the metadata route lists; raises HTTP 400 for an unknown asset type."""
    wanted = query.get("query", "").lower()
    asset_type = query.get("asset_type", "").lower()
    if asset_type and asset_type not in _ASSET_TYPES:
        raise _bad_request(f"unknown variant `{asset_type}`, expected one of {', '.join(_ASSET_TYPES)}")

    def listed(feed: Feed) -> bool:
        attributes = feed.attributes
        return wanted in attributes["symbol"].lower() and asset_type in ("", attributes["asset_type"].lower())

    return listed


def _feed_ids(query: MultiMapping[str]) -> list[FeedId]:
    texts = query.getall("ids[]", [])
    if not texts:
        raise _bad_request("missing field `ids`")
    try:
        return [parse_feed_id(text) for text in texts]
    except UsageError as exc:
        raise _bad_request(str(exc)) from exc


def _served(ids: Sequence[FeedId], market: Market, *, ignore_invalid: bool) -> tuple[int, ...]:
    served, missing = [], []
    for feed_id in ids:
        index = market.catalogue.index_of_id.get(feed_id)
        if index is None or market.feeds[index].removed:
            missing.append(f"0x{feed_id}")
        elif not market.feeds[index].entitled:
            raise web.HTTPForbidden(text=f"Not entitled: feed {feed_id}")
        else:
            served.append(index)
    if missing and not ignore_invalid:
        raise web.HTTPNotFound(text=f"Price ids not found: {', '.join(missing)}")
    return tuple(served)


def _encoding(query: MultiMapping[str]) -> Encoding:
    encoding = query.get("encoding", "hex")
    if encoding not in get_args(Encoding):
        raise _bad_request(f"unknown variant `{encoding}`, expected `hex` or `base64`")
    return cast("Encoding", encoding)


def _flag(query: MultiMapping[str], name: str, *, default: bool) -> bool:
    text = query.get(name)
    if text is None:
        return default
    if text not in ("true", "false"):
        raise _bad_request(f"{name}: provided string was not `true` or `false`")
    return text == "true"


def _bad_request(reason: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=f"Failed to deserialize query string: {reason}")
