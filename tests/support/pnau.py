"""Reads and checks accumulator updates on its own: it shares no code with the keeper nor with its simulator."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from eth_keys.datatypes import Signature

from tests.support.updates import keccak256


class Proven(NamedTuple):
    """A message and the nodes that prove it."""

    message: bytes
    proof: list[bytes]


@dataclass(frozen=True, slots=True)
class Pnau:
    """An update taken apart."""

    signer_set: int
    signatures: list[tuple[int, bytes]]
    body: bytes
    messages: list[Proven]

    @property
    def timestamp(self) -> int:
        return int.from_bytes(self.body[:4], "big")

    @property
    def emitter(self) -> tuple[int, bytes]:
        """Chain and address."""
        return int.from_bytes(self.body[8:10], "big"), self.body[10:42]

    @property
    def slot(self) -> int:
        return int.from_bytes(self.payload[5:13], "big")

    @property
    def payload(self) -> bytes:
        return self.body[51:]

    @property
    def root(self) -> bytes:
        return self.payload[17:37]

    def signers(self) -> dict[int, str]:
        """The recovered address at each signer index."""
        digest = keccak256(keccak256(self.body))
        return {
            index: Signature(raw).recover_public_key_from_msg_hash(digest).to_checksum_address()
            for index, raw in self.signatures
        }

    @property
    def is_proven(self) -> bool:
        """Whether every proof leads to the signed root."""
        return all(_root(message, proof) == self.root for message, proof in self.messages)

    def prices(self) -> list[dict[str, Any]]:
        """Every price message's fields."""
        return [_price_fields(message) for message, _ in self.messages]


def read_pnau(blob: bytes) -> Pnau:
    """Take an update apart; fails the test where the layout is not the genuine one."""
    assert blob[:8] == bytes.fromhex("504e4155 01 00 00 00")
    vaa_end = 10 + int.from_bytes(blob[8:10], "big")
    vaa, at = blob[10:vaa_end], vaa_end + 1
    messages = []
    for _ in range(blob[vaa_end]):
        message_end = at + 2 + int.from_bytes(blob[at : at + 2], "big")
        proof_end = message_end + 1 + 20 * blob[message_end]
        nodes = blob[message_end + 1 : proof_end]
        messages.append(Proven(blob[at + 2 : message_end], [nodes[i : i + 20] for i in range(0, len(nodes), 20)]))
        at = proof_end
    assert at == len(blob)
    assert vaa[0] == 1
    body_start = 6 + 66 * vaa[5]
    entries = [vaa[start : start + 66] for start in range(6, body_start, 66)]
    signatures = [(entry[0], entry[1:]) for entry in entries]
    pnau = Pnau(int.from_bytes(vaa[1:5], "big"), signatures, vaa[body_start:], messages)
    assert pnau.payload[:5] == b"AUWV\x00"
    assert len(pnau.payload) == 37
    return pnau


def _root(message: bytes, proof: list[bytes]) -> bytes:
    node = keccak256(b"\x00" + message)[:20]
    for sibling in proof:
        node = keccak256(b"\x01" + min(node, sibling) + max(node, sibling))[:20]
    return node


def _price_fields(message: bytes) -> dict[str, Any]:
    assert (message[0], len(message)) == (0, 85)

    def number(start: int, end: int, *, signed: bool = True) -> int:
        return int.from_bytes(message[start:end], "big", signed=signed)

    return {
        "feed_id": message[1:33].hex(),
        "price": number(33, 41),
        "conf": number(41, 49, signed=False),
        "expo": number(49, 53),
        "publish_time": number(53, 61),
        "prev_publish_time": number(61, 69),
        "ema_price": number(69, 77),
        "ema_conf": number(77, 85, signed=False),
    }
