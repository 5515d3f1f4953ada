"""Accumulator updates ("PNAU"): decode, slice to any subset of feeds, prove.

Every message of an update carries its own Merkle proof, so any subset of the messages behind the same header is itself
a valid update. That is what makes a push of one feed out of many possible with no further request.

Layout, big-endian: magic "PNAU" | major 1 | minor | size of further header bytes | those bytes | update type 0 |
VAA length u16 | VAA | number of messages u8 | { message size u16 | message | proof length u8 | proof nodes }*.
The header and each message may grow at their ends; nothing may follow the last message.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from keeper.domain.errors import InvalidUpdate
from keeper.domain.merkle import NODE_BYTES, root_of
from keeper.domain.price import Price
from keeper.domain.units import FeedId
from keeper.domain.vaa import SIGNER_SET_BYTES, Vaa, decode_vaa, kind_of, slot_and_root

MAX_MESSAGES = 255
"""A blob counts its messages in one byte."""

_MAGIC = b"PNAU"
_MAJOR_VERSION = 1
_WORMHOLE_MERKLE = 0
_PRICE_FEED = 0
_SIGNATURE_COUNT = 5
"""Offset of the count in the VAA, behind its version and signer set."""
_HEADER = struct.Struct(">4sBBB")
_UPDATE = struct.Struct(">BH")
_SIZE = struct.Struct(">H")
_MESSAGE = struct.Struct(">B32sqQiqqqQ")
_PRICE = struct.Struct(">B32sqQiq")


class Span(NamedTuple):
    """Where one feed's message and proof stand in the blob, as byte offsets."""

    start: int
    message_end: int
    end: int


@dataclass(frozen=True, slots=True)
class PriceMessage:
    """One price feed message with all its fields."""

    feed_id: FeedId
    price: Price
    prev_publish_time: int
    ema_price: int
    ema_conf: int


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """A decoded update: the signed bytes, and the prices they hold."""

    blob: bytes
    vaa_start: int
    messages_start: int
    """Offset of the message count, where the header and the VAA end."""
    slot: int
    root: bytes
    prices: Mapping[FeedId, Price]
    starts: Mapping[FeedId, int]
    """Offset of each feed's message, at its size."""
    proven: set[FeedId] = field(default_factory=set, repr=False)
    """Feeds whose proofs were found to hold: nobody needs to look again."""

    @property
    def signature_count(self) -> int:
        """How many signatures the contract will check."""
        return self.blob[self.vaa_start + _SIGNATURE_COUNT]

    @property
    def envelope(self) -> bytes:
        """The signer set and the emitter that it names: 38 bytes, the same while a source's signers are the same."""
        return kind_of(self.blob[self.vaa_start : self.messages_start])

    @property
    def signer_set(self) -> int:
        """The number of the signer set that it names."""
        return int.from_bytes(self.envelope[:SIGNER_SET_BYTES])

    def message(self, feed_id: FeedId) -> PriceMessage:
        """All fields of one feed's message; KeyError if the update does not hold the feed."""
        _, _, price, conf, expo, published, previous, ema, ema_conf = _MESSAGE.unpack_from(
            self.blob, self.starts[feed_id] + _SIZE.size
        )
        return PriceMessage(feed_id, Price(price, conf, expo, published), previous, ema, ema_conf)

    def span(self, feed_id: FeedId) -> Span:
        """Where the feed's message and proof stand; KeyError if the update does not hold the feed."""
        return _span(self.blob, self.starts[feed_id])

    def slice(self, feed_ids: Iterable[FeedId]) -> bytes:
        """A valid update of just these feeds (1 to 255, each held by this update), in the order given."""
        spans = [self.span(feed_id) for feed_id in feed_ids]
        if not 1 <= len(spans) <= MAX_MESSAGES:
            raise ValueError(f"an update holds 1 to {MAX_MESSAGES} messages, not {len(spans)}")
        head = self.blob[: self.messages_start]
        return b"".join([head, bytes([len(spans)]), *(self.blob[s.start : s.end] for s in spans)])

    def prove(self, feed_ids: Iterable[FeedId]) -> None:
        """Check the Merkle proofs of these feeds, each once; raises InvalidUpdate naming the first that fails."""
        for feed_id in feed_ids:
            if feed_id in self.proven:
                continue
            span = self.span(feed_id)
            message = self.blob[span.start + _SIZE.size : span.message_end]
            nodes = range(span.message_end + 1, span.end, NODE_BYTES)
            if root_of(message, [self.blob[at : at + NODE_BYTES] for at in nodes]) != self.root:
                raise InvalidUpdate(f"the Merkle proof of feed {feed_id} does not lead to the signed root")
            self.proven.add(feed_id)

    def vaa(self) -> Vaa:
        """The signed envelope with all its fields."""
        return decode_vaa(self.blob[self.vaa_start : self.messages_start])


def decode(blob: bytes) -> Update:
    """Decode update data from any source, however hostile; raises nothing but InvalidUpdate."""
    try:
        return _decode(blob)
    except (struct.error, IndexError) as exc:
        raise InvalidUpdate("the update data is cut short") from exc


def _decode(blob: bytes) -> Update:
    vaa_start, messages_start = _envelope(blob)
    slot, root = slot_and_root(blob[vaa_start:messages_start])
    prices: dict[FeedId, Price] = {}
    starts: dict[FeedId, int] = {}
    at = messages_start + 1
    for _ in range(blob[messages_start]):
        start = at
        (size,) = _SIZE.unpack_from(blob, start)
        message_end = start + _SIZE.size + size
        at = message_end + 1 + blob[message_end] * NODE_BYTES
        if size == 0:
            raise InvalidUpdate("a message is empty")
        if blob[start + _SIZE.size] != _PRICE_FEED:
            continue
        if size < _MESSAGE.size:
            raise InvalidUpdate(f"a price message of {size} bytes is cut short")
        _, raw_id, price, conf, expo, published = _PRICE.unpack_from(blob, start + _SIZE.size)
        feed_id = FeedId(raw_id.hex())
        if feed_id not in prices or published > prices[feed_id].publish_time:
            prices[feed_id] = Price(price, conf, expo, published)
            starts[feed_id] = start
    if at != len(blob):
        raise InvalidUpdate("the update data is cut short" if at > len(blob) else "bytes follow the last message")
    return Update(
        blob=blob,
        vaa_start=vaa_start,
        messages_start=messages_start,
        slot=slot,
        root=root,
        prices=prices,
        starts=starts,
    )


def _span(blob: bytes, start: int) -> Span:
    (size,) = _SIZE.unpack_from(blob, start)
    message_end = start + _SIZE.size + size
    return Span(start, message_end, message_end + 1 + blob[message_end] * NODE_BYTES)


def _envelope(blob: bytes) -> tuple[int, int]:
    """Offsets of the VAA and of the message count."""
    magic, major, _, further = _HEADER.unpack_from(blob)
    if magic != _MAGIC:
        raise InvalidUpdate("this is not update data: it does not begin with PNAU")
    if major != _MAJOR_VERSION:
        raise InvalidUpdate(f"update data of major version {major}; this keeper reads {_MAJOR_VERSION}")
    at = _HEADER.size + further
    kind, vaa_bytes = _UPDATE.unpack_from(blob, at)
    if kind != _WORMHOLE_MERKLE:
        raise InvalidUpdate(f"update data of type {kind}; this keeper reads type {_WORMHOLE_MERKLE}")
    vaa_start = at + _UPDATE.size
    return vaa_start, vaa_start + vaa_bytes
