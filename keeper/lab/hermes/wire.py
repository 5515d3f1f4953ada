"""What Hermes writes: JSON answers and server-sent events, byte for byte."""

import base64
from collections.abc import Sequence
from typing import Literal

import msgspec

from keeper.lab.hermes.feeds import Feed
from keeper.lab.hermes.updates import PriceMessage, SignedSlot

Encoding = Literal["hex", "base64"]
Pick = tuple[SignedSlot, int]
"""One price to serve: its slot and the feed's index."""

KEEPALIVE = b":\n\n"
NO_UPDATE = b":No update available\n\n"
CONNECTION_TIMEOUT = "Connection timeout reached (24h)"
SLOW_CONSUMER = "Slow consumer: disconnected"


class _Binary(msgspec.Struct):
    encoding: Encoding
    data: list[str]


class _Price(msgspec.Struct):
    price: str
    conf: str
    expo: int
    publish_time: int


class _Metadata(msgspec.Struct):
    slot: int
    proof_available_time: int
    prev_publish_time: int


class _Parsed(msgspec.Struct):
    id: str
    price: _Price
    ema_price: _Price
    metadata: _Metadata


class _PriceUpdate(msgspec.Struct, omit_defaults=True):
    binary: _Binary
    parsed: list[_Parsed] | None = None


class _FeedMetadata(msgspec.Struct):
    id: str
    attributes: dict[str, str]


def price_update(picks: Sequence[Pick], *, encoding: Encoding, parsed: bool) -> bytes:
    """The JSON body of an answer: one data element for each slot (and 255 feeds), prices in the order of the picks."""
    indexes_by_slot: dict[SignedSlot, list[int]] = {}
    for slot, index in picks:
        indexes_by_slot.setdefault(slot, []).append(index)
    blobs = [blob for slot, indexes in indexes_by_slot.items() for blob in slot.updates(indexes)]
    binary = _Binary(encoding, [blob.hex() if encoding == "hex" else base64.b64encode(blob).decode() for blob in blobs])
    prices = [_parsed(slot, slot.messages[index]) for slot, index in picks] if parsed else None
    return msgspec.json.encode(_PriceUpdate(binary, prices))


def _parsed(slot: SignedSlot, message: PriceMessage) -> _Parsed:
    return _Parsed(
        id=message.feed_id,
        price=_Price(str(message.price), str(message.conf), message.expo, message.publish_time),
        ema_price=_Price(str(message.ema_price), str(message.ema_conf), message.expo, message.publish_time),
        metadata=_Metadata(slot.number, slot.timestamp, message.prev_publish_time),
    )


def price_feeds(feeds: Sequence[Feed]) -> bytes:
    """The JSON body of `/v2/price_feeds`."""
    return msgspec.json.encode([_FeedMetadata(feed.id, feed.attributes) for feed in feeds])


def data_event(body: bytes) -> bytes:
    """An event of the default type."""
    return b"data:" + body + b"\n\n"


def error_event(text: str) -> bytes:
    """An event of type error, in plain text."""
    return f"event:error\ndata:{text}\n\n".encode()
