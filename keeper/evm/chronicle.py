"""What a listener was told of the chain. What it has missed is asked for, what it knows is not told again."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeAlias

from keeper.evm import pyth
from keeper.evm.errors import result_of
from keeper.evm.heads import Heads
from keeper.evm.shapes import Header, PlacedLog, head_of, read, read_all
from keeper.evm.stored import Batch, StoredPrices, change, stored
from keeper.evm.wire import Call, Response, quantity, to_hex
from keeper.ports import ChainListener, Head

DEPTH = 64
"""Blocks: no reorganisation is taken to be deeper, and of longer gaps only the newest heads are told."""
LONGEST_GAP = 1000
"""Blocks whose events are asked for at once; many nodes refuse more."""
_STEP = 8
"""Ancestors that are asked for at once."""

Ask: TypeAlias = Callable[[Sequence[Call]], Awaitable[list[Response]]]
"""Has one endpoint answer; raises Transient."""


class Chronicle:
    """Tells one listener of one contract's chain."""

    def __init__(self, *, contract: str, listener: ChainListener) -> None:
        self._contract = contract
        self._listener = listener
        self._heads = Heads(DEPTH)
        self._prices = StoredPrices(DEPTH)
        self._changes: deque[tuple[str, str]] = deque(maxlen=DEPTH)
        """Block and position of those told last."""

    @property
    def newest(self) -> Head | None:
        """The last head told; None before the first."""
        return self._heads.newest

    async def catch_up(self, ask: Ask) -> None:
        """Tell what has come since the last head; the first time, the newest block with its prices."""
        before = self.newest
        (response,) = await ask([Call("eth_getBlockByNumber", ("latest", False))])
        head = head_of(read(result_of(response), Header))
        await self.take_head(head, ask)
        first = head.number if before is None else min(before.number, head.number) - DEPTH
        await self._ask_for_events(max(first, head.number - LONGEST_GAP, 0), ask)

    async def take_head(self, head: Head, ask: Ask) -> None:
        """Tell a new head, and before it those between it and the last one told, or the branch that it stands on."""
        if self._heads.knows(head):
            return
        row = [*await self._blocks(self._heads.gap_before(head), ask), head]
        while self._heads.branches_off(row[0]):
            older = await self._blocks(range(max(row[0].number - _STEP, 0), row[0].number), ask)
            row = [*self._heads.replaced(older), *row]
        if self._heads.may_branch_deeper(row[0]):
            row = [*await self._blocks(range(max(row[0].number - DEPTH, 0), row[0].number), ask), *row]
        unheard = len(row) > 1 or self._heads.replaces(row[0])
        for each in row:
            self._heads.add(each)
            self._listener.on_head(each)
            self._tell(self._prices.take_head(each))
        if unheard:
            await self._ask_for_events(row[0].number, ask)

    def take_logs(self, logs: Sequence[PlacedLog]) -> None:
        """Tell of stored prices, and of those that a reorganisation took back; and of changes to the contract."""
        self._tell(self._prices.take(event for log in logs if (event := stored(log, self._contract)) is not None))
        for log in logs:
            self._tell_change(log)

    def _tell_change(self, log: PlacedLog) -> None:
        name = change(log, self._contract)
        if name and not log.removed and (place := (log.block_hash, log.log_index)) not in self._changes:
            self._changes.append(place)
            self._listener.on_change(name, quantity(log.block_number))

    def _tell(self, batches: Iterable[Batch]) -> None:
        for writes, block, tx_hash, removed in batches:
            tell = self._listener.on_unwritten if removed else self._listener.on_writes
            tell(writes, block, tx_hash)

    async def _blocks(self, numbers: range, ask: Ask) -> list[Head]:
        calls = [Call("eth_getBlockByNumber", (hex(number), False)) for number in numbers]
        return [head_of(read(result_of(response), Header)) for response in await ask(calls)] if calls else []

    async def _ask_for_events(self, first: int, ask: Ask) -> None:
        """Those from that block on; where the node refuses, the listener has to read what it needs."""
        (response,) = await ask([Call("eth_getLogs", ({**events_of(self._contract), "fromBlock": hex(first)},))])
        if response.error is None:
            self.take_logs(read_all(response.result, PlacedLog))


def events_of(contract: str) -> dict[str, object]:
    """The filter for prices that the contract stored, and for changes to it."""
    return {"address": contract, "topics": [[to_hex(topic) for topic in (pyth.PRICE_FEED_UPDATE, *pyth.CHANGES)]]}
