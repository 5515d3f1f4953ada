"""The Merkle tree of an accumulator update: keccak hashes cut to 20 bytes, siblings sorted."""

from collections.abc import Sequence

from tiny_keccak import keccak256 as keccak

NODE_BYTES = 20


def leaf_hash(message: bytes) -> bytes:
    """Hash of one message."""
    return keccak(b"\x00" + message)[:NODE_BYTES]


def node_hash(first: bytes, second: bytes) -> bytes:
    """Hash of two sibling nodes, in either order."""
    pair = first + second if first <= second else second + first
    return keccak(b"\x01" + pair)[:NODE_BYTES]


def root_of(message: bytes, proof: Sequence[bytes]) -> bytes:
    """The root that the proof leads to from this message."""
    node = leaf_hash(message)
    for sibling in proof:
        node = node_hash(node, sibling)
    return node
