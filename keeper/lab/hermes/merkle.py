"""The Merkle tree under a slot's signature, with a proof for every message.

leaf = keccak256(0x00 ++ message)[:20], node = keccak256(0x01 ++ smaller child ++ larger child)[:20].
"""

from collections.abc import Sequence

from tiny_keccak import keccak256 as keccak

NODE_BYTES = 20
DEPTH = 12
"""As deep as mainnet's tree, so that proofs, event sizes and gas are like there however few the feeds."""


def _leaf(message: bytes) -> bytes:
    return keccak(b"\x00" + message)[:NODE_BYTES]


def _node(first: bytes, second: bytes) -> bytes:
    return keccak(b"\x01" + first + second if first < second else b"\x01" + second + first)[:NODE_BYTES]


def _empty_subtrees() -> tuple[bytes, ...]:
    """The root of an empty subtree at each level, leaves first."""
    roots = [keccak(b"\x02")[:NODE_BYTES]]
    for _ in range(DEPTH):
        roots.append(_node(roots[-1], roots[-1]))
    return tuple(roots)


_EMPTY = _empty_subtrees()


class MerkleTree:
    """A tree of up to 2**DEPTH messages; the places beyond them are empty."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        level = [_leaf(message) for message in messages]
        self._levels = []
        for empty in _EMPTY[:DEPTH]:
            self._levels.append(level)
            padded = [*level, empty] if len(level) % 2 else level
            level = [_node(first, second) for first, second in zip(padded[::2], padded[1::2], strict=True)]
        self.root = level[0] if level else _EMPTY[DEPTH]

    def proof(self, index: int) -> list[bytes]:
        """The siblings on the way from this message to the root: always DEPTH nodes."""
        nodes = []
        for level, empty in zip(self._levels, _EMPTY, strict=False):
            sibling = index ^ 1
            nodes.append(level[sibling] if sibling < len(level) else empty)
            index >>= 1
        return nodes
