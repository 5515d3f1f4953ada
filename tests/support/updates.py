"""Builds signed accumulator updates from scratch: it shares no code with the keeper, so that each checks the other."""

from collections.abc import Sequence
from dataclasses import dataclass

from coincurve import PrivateKey
from Crypto.Hash import keccak

PYTHNET = 26
PYTHNET_EMITTER = bytes.fromhex("e101faedac5851e32b9b23b5f9411a8c2bac4aae3ed4dd7b811dd1a72ea4aa71")

KEYS = (
    bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
    bytes.fromhex("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
    bytes.fromhex("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"),
)
"""The first keys of every development node; the world knows them and their addresses."""
ADDRESSES = (
    bytes.fromhex("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    bytes.fromhex("70997970C51812dc3A010C7d01b50e0d17dc79C8"),
    bytes.fromhex("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
)

TWAP_MESSAGE = bytes([1]) + bytes(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a price message says of one feed."""

    feed_id: str
    price: int
    conf: int = 0
    expo: int = -8
    publish_time: int = 1_700_000_000
    prev_publish_time: int = 1_699_999_999
    ema_price: int = 0
    ema_conf: int = 0

    def message(self, tail: bytes = b"") -> bytes:
        """The message, grown by a tail."""
        return b"".join(
            [
                _number(0, 1),
                bytes.fromhex(self.feed_id),
                _number(self.price, 8, signed=True),
                _number(self.conf, 8),
                _number(self.expo, 4, signed=True),
                _number(self.publish_time, 8, signed=True),
                _number(self.prev_publish_time, 8, signed=True),
                _number(self.ema_price, 8, signed=True),
                _number(self.ema_conf, 8),
                tail,
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """All of an update but its messages."""

    magic: bytes = b"PNAU"
    major: int = 1
    minor: int = 0
    header_tail: bytes = b""
    kind: int = 0
    vaa_version: int = 1
    signer_set: int = 7
    keys: Sequence[bytes] = KEYS[:1]
    timestamp: int = 1_700_000_000
    sequence: int = 42
    payload_magic: bytes = b"AUWV"
    payload_kind: int = 0
    slot: int = 123_456_789
    payload_tail: bytes = b""

    def vaa(self, root: bytes) -> bytes:
        """Signed by all keys, signer indexes counted from 0."""
        body = b"".join(
            [
                _number(self.timestamp, 4),
                _number(0, 4),
                _number(PYTHNET, 2),
                PYTHNET_EMITTER,
                _number(self.sequence, 8),
                _number(1, 1),
                self.payload_magic,
                _number(self.payload_kind, 1),
                _number(self.slot, 8),
                _number(10_000, 4),
                root,
                self.payload_tail,
            ]
        )
        digest = keccak256(keccak256(body))
        signatures = [
            _number(index, 1) + PrivateKey(key).sign_recoverable(digest, hasher=None)
            for index, key in enumerate(self.keys)
        ]
        header = _number(self.vaa_version, 1) + _number(self.signer_set, 4) + _number(len(signatures), 1)
        return header + b"".join(signatures) + body


PLAIN = Envelope()


def build_update(messages: Sequence[bytes], envelope: Envelope = PLAIN) -> bytes:
    """An update of these messages, which are also all the leaves of its tree."""
    root, proofs = merkle_tree(messages)
    return assemble(envelope, envelope.vaa(root), list(zip(messages, proofs, strict=True)))


def assemble(envelope: Envelope, vaa: bytes, proven: Sequence[tuple[bytes, Sequence[bytes]]]) -> bytes:
    """The bytes of an update, whatever its parts are worth."""
    blob = [
        envelope.magic,
        bytes([envelope.major, envelope.minor, len(envelope.header_tail)]),
        envelope.header_tail,
        _number(envelope.kind, 1),
        _number(len(vaa), 2),
        vaa,
        _number(len(proven), 1),
    ]
    for message, proof in proven:
        blob += [_number(len(message), 2), message, _number(len(proof), 1), *proof]
    return b"".join(blob)


def merkle_tree(messages: Sequence[bytes]) -> tuple[bytes, list[list[bytes]]]:
    """The root, and the proof of each message; odd levels are filled up with a node that is nobody's."""
    level = [keccak256(b"\x00" + message)[:20] for message in messages]
    proofs: list[list[bytes]] = [[] for _ in messages]
    places = list(range(len(messages)))
    while len(level) > 1:
        if len(level) % 2:
            level.append(keccak256(b"\x02")[:20])
        for proof, place in zip(proofs, places, strict=True):
            proof.append(level[place ^ 1])
        places = [place // 2 for place in places]
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [keccak256(b"\x01" + min(pair) + max(pair))[:20] for pair in pairs]
    return level[0], proofs


def keccak256(data: bytes) -> bytes:
    """The Ethereum hash."""
    return keccak.new(data=data, digest_bits=256).digest()


def _number(value: int, size: int, *, signed: bool = False) -> bytes:
    return value.to_bytes(size, "big", signed=signed)
