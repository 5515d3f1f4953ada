"""Genuine-format accumulator updates ("PNAU"): one signature over a slot, a proof for each message.

Update: "PNAU" | 1 | 0 | 0 | 0 | VAA length u16 | VAA | count u8 | { size u16 | message | nodes u8 | 20-byte nodes }*.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from keeper.domain.units import FeedId
from keeper.lab.hermes.merkle import MerkleTree
from keeper.lab.hermes.signers import SignerSet

MAX_MESSAGES = 255
PYTHNET_CHAIN = 26
PYTHNET_EMITTER = bytes.fromhex("e101faedac5851e32b9b23b5f9411a8c2bac4aae3ed4dd7b811dd1a72ea4aa71")

_MESSAGE = struct.Struct(">B32sqQiqqqQ")
_PRICE_FEED = 0
_HEADER = bytes.fromhex("504e415501000000")
_BODY = struct.Struct(">IIH32sQB")
_NONCE = 0
_CONSISTENCY = 1
_PAYLOAD = struct.Struct(">4sBQI")
_RING_SIZE = 10_000


@dataclass(frozen=True, slots=True)
class PriceMessage:
    """The price of one feed as signed: prices and confidences scaled by 10**expo, times in Unix seconds."""

    feed_id: FeedId
    price: int
    conf: int
    expo: int
    publish_time: int
    prev_publish_time: int
    ema_price: int
    ema_conf: int

    def encode(self) -> bytes:
        """The 85 bytes that the Merkle tree covers."""
        return _MESSAGE.pack(
            _PRICE_FEED,
            bytes.fromhex(self.feed_id),
            self.price,
            self.conf,
            self.expo,
            self.publish_time,
            self.prev_publish_time,
            self.ema_price,
            self.ema_conf,
        )


@dataclass(frozen=True, slots=True)
class Emitter:
    """Whom the VAA names as its source."""

    chain: int = PYTHNET_CHAIN
    address: bytes = PYTHNET_EMITTER


PYTHNET = Emitter()


class SignedSlot:
    """All prices of one slot under one signature; hashed and signed on first use, then kept."""

    def __init__(
        self, number: int, messages: Sequence[PriceMessage], *, timestamp: int, signers: SignerSet, emitter: Emitter
    ) -> None:
        self.number = number
        self.messages = tuple(messages)
        self.timestamp = timestamp
        self._signers = signers
        self._emitter = emitter

    @cached_property
    def _encoded(self) -> list[bytes]:
        return [message.encode() for message in self.messages]

    @cached_property
    def _tree(self) -> MerkleTree:
        return MerkleTree(self._encoded)

    @cached_property
    def _vaa(self) -> bytes:
        payload = _PAYLOAD.pack(b"AUWV", 0, self.number, _RING_SIZE) + self._tree.root
        emitter = self._emitter
        body = _BODY.pack(self.timestamp, _NONCE, emitter.chain, emitter.address, self.number, _CONSISTENCY)
        return self._signers.sign(body + payload, turn=self.number)

    def updates(self, indexes: Sequence[int]) -> list[bytes]:
        """Update data that proves the messages at these indexes, in this order, at most 255 in each element."""
        parts = [indexes[start : start + MAX_MESSAGES] for start in range(0, len(indexes), MAX_MESSAGES)]
        return [self._update(part) for part in parts]

    def _update(self, indexes: Sequence[int]) -> bytes:
        blob = bytearray(_HEADER)
        blob += len(self._vaa).to_bytes(2, "big") + self._vaa
        blob.append(len(indexes))
        for index in indexes:
            message, proof = self._encoded[index], self._tree.proof(index)
            blob += len(message).to_bytes(2, "big") + message
            blob.append(len(proof))
            blob += b"".join(proof)
        return bytes(blob)
