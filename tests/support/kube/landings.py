"""What came to be on chain, and when: the last word on who sent how often."""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Self

from tests.support.node import Node

_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Write:
    """The contract stored a price."""

    seen_at: float
    """Unix seconds."""
    feed: str
    publish_time: int
    tx_hash: str


@dataclass(frozen=True, slots=True)
class Count:
    """Of everything that some accounts sent."""

    landed: int
    duplicates: int
    """Transactions that failed, wrote nothing, or wrote what another one had written."""


class Landings:
    """Watches a contract on a node that mines every transaction at once, inside an `async with`."""

    def __init__(self, node: Node, contract: str) -> None:
        self._node = node
        self._contract = contract
        self._read = 0
        self._turn = asyncio.Lock()
        self.writes: list[Write] = []

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._watch(), name="watch the chain")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watching.cancel()
        with suppress(asyncio.CancelledError):
            await self._watching

    def since(self, moment: float, feed: str = "") -> Sequence[Write]:
        """All that was seen after it, of one feed or of all."""
        return [write for write in self.writes if write.seen_at > moment and feed in {"", write.feed}]

    def longest_gap_s(self, since: float, feed: str) -> float:
        """The longest time without a new price of a feed, from the last one before that moment on."""
        of_feed = [write.seen_at for write in self.writes if write.feed == feed]
        first = max((seen for seen in of_feed if seen <= since), default=since)
        return max(after - before for before, after in pairwise(seen for seen in of_feed if seen >= first))

    async def count(self, accounts: Collection[str]) -> Count:
        """Judge every transaction of these accounts to the contract."""
        newest = int(await self._node.request("eth_blockNumber"), 16)
        await self._note(newest)
        blocks = await self._node.batch("eth_getBlockByNumber", [(hex(number), True) for number in range(newest + 1)])
        own = {account.lower() for account in accounts}
        sent = {
            each["hash"]
            for block in blocks
            for each in block["transactions"]
            if each["from"].lower() in own and (each["to"] or "").lower() == self._contract.lower()
        }
        written = Counter((write.feed, write.publish_time) for write in self.writes)
        good = {write.tx_hash for write in self.writes if written[write.feed, write.publish_time] == 1}
        return Count(landed=len(sent), duplicates=len(sent - good))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            newest = int(await self._node.request("eth_blockNumber"), 16)
            if newest > self._read:
                await self._note(newest)

    async def _note(self, newest: int) -> None:
        async with self._turn:
            seen_at, first = time.time(), self._read + 1
            if newest < first:
                return
            asked = {"address": self._contract, "fromBlock": hex(first), "toBlock": hex(newest)}
            logs = await self._node.request("eth_getLogs", asked)
            self._read = newest
        for log in logs:
            feed, publish_time = log["topics"][1].removeprefix("0x"), int(log["data"][2:66], 16)
            self.writes.append(Write(seen_at, feed, publish_time, log["transactionHash"]))
