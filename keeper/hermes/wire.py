"""What goes over the wire: request URLs, price answers, refusals."""

import re
from binascii import unhexlify
from collections.abc import Collection, Iterable

import msgspec
from yarl import URL

from keeper.domain.accumulator import Update, decode
from keeper.domain.errors import InvalidUpdate
from keeper.domain.status import SourceState
from keeper.domain.units import FeedId
from keeper.hermes.config import Decode
from keeper.hermes.failure import SourceFailure, name_feeds

DEFAULT_RETRY_AFTER_S = 60.0
"""How long the public service refuses everything after a 429."""
MIN_RETRY_AFTER_S = 1.0
MAX_RETRY_AFTER_S = 600.0

_STREAM = "v2/updates/price/stream"
_LATEST = "v2/updates/price/latest"
_FEED_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


class _Base64(msgspec.Struct, tag_field="encoding", tag="base64"):
    data: list[bytes]


class _Hex(msgspec.Struct, tag_field="encoding", tag="hex"):
    data: list[str]


class _Answer(msgspec.Struct):
    binary: _Base64 | _Hex


_answers = msgspec.json.Decoder(_Answer)


def stream_url(base: str, feeds: Iterable[FeedId]) -> URL:
    """Where these feeds are streamed."""
    return _price_url(base, _STREAM, feeds)


def latest_url(base: str, feeds: Iterable[FeedId]) -> URL:
    """Where the latest prices of these feeds are."""
    return _price_url(base, _LATEST, feeds)


def _price_url(base: str, route: str, feeds: Iterable[FeedId]) -> URL:
    url = URL(base)
    wanted = [*url.query.items(), *(("ids[]", feed) for feed in feeds), ("encoding", "base64"), ("parsed", "false")]
    return (url / route).with_query(wanted)


def parse_updates(answer: str | bytes, decode: Decode = decode) -> tuple[Update, ...]:
    """The updates of a price answer or of a stream event's data; raises nothing but InvalidUpdate.

    The encoding is the one that the answer names, whatever was asked for.
    """
    try:
        binary = _answers.decode(answer).binary
        blobs = binary.data if isinstance(binary, _Base64) else [unhexlify(text) for text in binary.data]
    except (ValueError, RecursionError) as exc:
        raise InvalidUpdate("the answer is not the JSON of a price update") from exc
    return tuple(map(decode, blobs))


def refusal(status: int, body: str, *, retry_after: str | None, asked: Collection[FeedId]) -> SourceFailure:
    """What an HTTP answer other than 200 means, to a request for the feeds `asked`."""
    text = body.lower()
    feeds = frozenset(asked).intersection(_FEED_ID.findall(text))
    named = name_feeds(feeds) if feeds else "some of the feeds"
    if "not entitled" in text or status == 403:
        problem = f"the API key does not cover {named}; ask for it or remove it from the feeds"
        return SourceFailure(problem, state=SourceState.NOT_ENTITLED, refused=True, feeds=feeds)
    if status == 401:
        problem = "the API key is missing or wrong (HTTP 401); set HERMES_API_KEY"
        return SourceFailure(problem, state=SourceState.UNAUTHORIZED, refused=True)
    if status == 404 and "price ids not found" in text:
        problem = f"Hermes does not know {named}; check the feed ids"
        return SourceFailure(problem, state=SourceState.UNKNOWN_FEEDS, refused=True, feeds=feeds)
    if status == 429:
        problem = "too many requests from this address (HTTP 429); polling less or fewer replicas would help"
        return SourceFailure(problem, state=SourceState.RATE_LIMITED, retry_after_s=_seconds(retry_after))
    if status < 500:
        return SourceFailure(f"HTTP {status} in place of prices; check HERMES_URL and its path", refused=True)
    return SourceFailure(f"the server fails (HTTP {status})")


def _seconds(retry_after: str | None) -> float:
    """A Retry-After header in seconds; the service's own default where it is absent or a date."""
    if retry_after is None or not re.fullmatch(r"[0-9]{1,9}", retry_after):
        return DEFAULT_RETRY_AFTER_S
    return min(max(float(retry_after), MIN_RETRY_AFTER_S), MAX_RETRY_AFTER_S)


def error_event(text: str) -> SourceFailure | None:
    """What an error event of a stream means: its end, or None where the stream goes on."""
    if text.startswith("Connection timeout reached"):
        return SourceFailure("the server ended the stream for its age")
    if text.startswith("Slow consumer"):
        return SourceFailure("the server dropped the stream because its events were read too slowly")
    return None
