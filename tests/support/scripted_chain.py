"""A chain in memory behind a scripted node: it mines, reorganises, and tells those who subscribed."""

import itertools
from collections.abc import Sequence
from typing import Any

from eth_hash.auto import keccak

from keeper.domain.transaction import FeedWrite
from keeper.domain.units import FeedId
from keeper.evm.pyth import PRICE_FEED_UPDATE
from keeper.evm.wire import ErrorAnswer
from tests.support.scripted_node import ScriptedNode

CONTRACT = "0x4305FB66699C3B2702D4d05CF36551390A4c69C6"
FEED = FeedId("ab" * 32)

_salts = itertools.count(1)


def write(price: int, feed_id: FeedId = FEED) -> FeedWrite:
    return FeedWrite(feed_id, publish_time=1_700_000_000, price=price, conf=1)


class Block:
    """One block; no two are the same."""

    def __init__(self, parent: "Block | None", writes: Sequence[FeedWrite]) -> None:
        self.parent_hash = parent.hash if parent is not None else bytes(32)
        self.number: int = parent.number + 1 if parent is not None else 0
        self.hash: bytes = keccak(next(_salts).to_bytes(8, "big"))
        self.writes = tuple(writes)
        """Of one transaction."""

    @property
    def tx_hash(self) -> bytes:
        return keccak(self.hash)

    def header(self) -> dict[str, str]:
        return {
            "number": hex(self.number),
            "hash": "0x" + self.hash.hex(),
            "parentHash": "0x" + self.parent_hash.hex(),
            "timestamp": hex(1_700_000_000 + self.number),
            "gasLimit": "0x1c9c380",
            "baseFeePerGas": "0x7",
        }

    def logs(self, *, removed: bool = False) -> list[dict[str, Any]]:
        return [
            {
                "address": CONTRACT.lower(),
                "topics": ["0x" + PRICE_FEED_UPDATE.hex(), "0x" + stored.feed_id],
                "data": "0x" + b"".join(each.to_bytes(32, "big") for each in stored[1:]).hex(),
                "logIndex": hex(position),
                "blockNumber": hex(self.number),
                "blockHash": "0x" + self.hash.hex(),
                "transactionHash": "0x" + self.tx_hash.hex(),
                "removed": removed,
            }
            for position, stored in enumerate(self.writes)
        ]


class ScriptedChain:
    """Several nodes may serve it; each may be behind, and keep things to itself."""

    def __init__(self) -> None:
        self.blocks = [Block(None, [])]
        self.nodes: list[ChainNode] = []

    def node(self) -> "ChainNode":
        """Another node of the chain."""
        node = ChainNode(self)
        self.nodes.append(node)
        return node

    @property
    def prices(self) -> list[FeedWrite]:
        """All that are stored, in order."""
        return [stored for block in self.blocks for stored in block.writes]

    def mine(self, *writes: FeedWrite, blocks: int = 1) -> None:
        """New blocks; the first stores the prices."""
        for number in range(blocks):
            self._add(writes if number == 0 else ())

    def reorganise(self, depth: int, *writes: FeedWrite, growth: int = 1) -> None:
        """Replace the newest blocks by as many and some more, the first of which stores the prices."""
        removed = self.blocks[-depth:]
        del self.blocks[-depth:]
        for node in self.nodes:
            node.tell_removed(removed)
        self.mine(*writes, blocks=depth + growth)

    def _add(self, writes: Sequence[FeedWrite]) -> None:
        block = Block(self.blocks[-1], writes)
        self.blocks.append(block)
        for node in self.nodes:
            node.tell(block)


class ChainNode(ScriptedNode):
    """Answers questions for blocks and logs, and offers subscriptions."""

    def __init__(self, chain: ScriptedChain) -> None:
        super().__init__()
        self._chain = chain
        self._ids = itertools.count(1)
        self.subscriptions: dict[str, str] = {}
        """By id: `newHeads` or `logs`."""
        self.behind = 0
        """So many blocks it does not know."""
        self.silent = False
        """Whether it tells nothing of its own accord."""
        self.tells_removed = True
        """Whether it tells of the logs that a reorganisation takes back."""
        self.answers |= {
            "eth_blockNumber": lambda: hex(self.blocks[-1].number),
            "eth_getBlockByNumber": self._block,
            "eth_getLogs": self._logs,
            "eth_subscribe": self._subscribe,
            "eth_unsubscribe": lambda subscription: self.subscriptions.pop(subscription, None) is not None,
        }

    @property
    def blocks(self) -> list[Block]:
        """Those it knows."""
        return self._chain.blocks[: -self.behind or None]

    def tell(self, block: Block) -> None:
        """A new block."""
        if not self.silent:
            for subscription, kind in self.subscriptions.items():
                for told in [block.header()] if kind == "newHeads" else block.logs():
                    self.notify(subscription, told)

    def tell_removed(self, blocks: Sequence[Block]) -> None:
        """Blocks that are not the chain's any more."""
        if self.silent or not self.tells_removed:
            return
        for subscription, kind in self.subscriptions.items():
            for log in [log for block in blocks for log in block.logs(removed=True)] if kind == "logs" else []:
                self.notify(subscription, log)

    def _subscribe(self, kind: str, *_: object) -> str:
        subscription = hex(next(self._ids))
        self.subscriptions[subscription] = kind
        return subscription

    def _block(self, number: str, _: object) -> dict[str, str] | None:
        if number == "latest":
            return self.blocks[-1].header()
        at = int(number, 16)
        return self.blocks[at].header() if at < len(self.blocks) else None

    def _logs(self, asked: dict[str, Any]) -> list[dict[str, Any]] | ErrorAnswer:
        first = int(asked["fromBlock"], 16)
        return [log for block in self.blocks[first:] for log in block.logs()]
