"""A fake chain behind nodes that fail in every way at once, while it counts what it is asked."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from eth_hash.auto import keccak

from keeper.domain.errors import Transient, Uncertain
from keeper.domain.price import Price
from keeper.domain.transaction import FeedWrite, SignedTransaction
from keeper.domain.units import FeedId, Gas, Wei
from keeper.ports import ChainListener, ChainState, Head, Look, Terms
from tests.support.chain import GWEI, FakeChain
from tests.support.market import FEEDS

PLENTY = 10**20
_ILL_S = 0.2
"""So long after a failure an endpoint is found well again."""


@dataclass
class HostileChain(FakeChain):
    """See FakeChain. All faults stay until `heal`, or until they have struck so often as they say."""

    check_bytes: Callable[[SignedTransaction], None] = lambda _: None
    """Raises where bytes must not leave the process yet."""
    most_requests_a_second: int = 1_000_000
    automine: bool = False
    latency_s: float = 0.0
    """On the way there and on the way back."""
    down: bool = False
    censors: bool = False
    """Blocks come without a transaction of ours."""
    stalled: bool = False
    """No blocks come."""
    subscribable: bool = False
    lag: int = 0
    """So many blocks are answers behind."""
    nonce_lie: int | None = None
    """What is added to the nonces that endpoints tell."""
    swallow: int = 0
    """So many broadcasts are taken and forgotten."""
    lose: int = 0
    """So many broadcasts are lost on their way, without an answer."""
    fail: int = 0
    """So many requests fail."""
    listener: ChainListener | None = None
    _ill_until: float = 0.0
    _busy: Counter[int] = field(default_factory=Counter)

    def heal(self) -> None:
        """All faults are over, the account is funded and fees are low."""
        self.balance = max(self.balance, PLENTY)
        self.base_fee = GWEI
        self.latency_s = 0.0
        self.down = self.censors = self.stalled = False
        self.lag = self.swallow = self.lose = self.fail = self.lose_answers = 0
        self.nonce_lie = None
        self.refuse.clear()

    # What is asked

    async def connect(self) -> int:
        await self._travel()
        return await super().connect()

    async def read(self, feeds: Sequence[FeedId]) -> ChainState:
        await self._travel()
        state = await super().read(feeds)
        prices = self._old_prices()
        state = replace(
            state,
            block=self._seen,
            nonce=self._told_nonce(),
            prices={feed_id: prices.get(feed_id) for feed_id in feeds},
        )
        await asyncio.sleep(self.latency_s)
        return state

    async def terms(self, sample: bytes) -> Terms:
        await self._travel()
        return await super().terms(sample)

    async def broadcast(self, signed: SignedTransaction, *, everywhere: bool = False) -> str:
        self.check_bytes(signed)
        await self._travel()
        if self.lose:
            self.lose -= 1
            raise Uncertain("lost on the way")
        if self.swallow:
            self.swallow -= 1
            return "fake"
        endpoint = await super().broadcast(signed, everywhere=everywhere)
        await asyncio.sleep(self.latency_s)
        return endpoint

    async def look(self, tx_hashes: Sequence[bytes], *, with_block: bool) -> Look:
        await self._travel()
        look = await super().look(tx_hashes, with_block=with_block)
        found = {each: receipt for each, receipt in look.receipts.items() if receipt.block_number <= self._seen}
        await asyncio.sleep(self.latency_s)
        return Look(found, self._seen, look.base_fee) if with_block else Look(found)

    async def mined_nonces(self) -> Sequence[int]:
        await self._travel()
        return [self._told_nonce()]

    async def recovered(self) -> None:
        while self.down or asyncio.get_running_loop().time() < self._ill_until:  # noqa: ASYNC110 - as probes do
            await asyncio.sleep(_ILL_S)

    async def follow(self, listener: ChainListener) -> None:
        if not self.subscribable:
            return
        self.listener = listener
        listener.on_live(live=True)
        try:
            await asyncio.Event().wait()
        finally:
            self.listener = None

    # What happens

    def next_block(self) -> None:
        """As time goes by."""
        if self.censors:
            self.pass_blocks(1)
        elif not self.stalled:
            self.mine()

    def mine(self) -> None:
        before = len(self.mined)
        super().mine()
        self._tell_heads(self.block)
        for mined in self.mined[before:]:
            self._tell_writes(mined.pending.tx_hash)

    def pass_blocks(self, count: int) -> None:
        super().pass_blocks(count)
        self._tell_heads(self.block)

    def reorganise(self, depth: int = 1, *, forget: bool = False) -> None:
        undone = [mined for mined in self.mined if mined.block > self.block - depth]
        receipts = {mined.pending.tx_hash: self.receipts[mined.pending.tx_hash] for mined in undone}
        super().reorganise(depth, forget=forget)
        if self.listener is not None:
            for receipt in receipts.values():
                self.listener.on_unwritten(receipt.writes, receipt.block_number, receipt.tx_hash)
        self._tell_heads(*range(max(self.block - depth, 0) + 1, self.block + 1))

    def use_nonce(self) -> None:
        super().use_nonce()
        self._tell_heads(self.block)

    def rival_stores(self, **prices: Price) -> bytes:
        """Somebody else's push is mined in a block of its own; by names as in `tests.support.market`."""
        tx_hash = keccak(f"rival {self.block}".encode())
        self.block += 1
        stored = {FEEDS[int(name[1:]) - 1]: price for name, price in prices.items()}
        self.prices.update(stored)
        self._tell_heads(self.block)
        if self.listener is not None:
            self.listener.on_writes(_writes(stored), self.block, tx_hash)
        return tx_hash

    def take_back(self, tx_hash: bytes, before: Mapping[FeedId, Price]) -> None:
        """The block of that push is gone, and what was there `before` is there again."""
        gone = {feed_id: self.prices[feed_id] for feed_id in before}
        self.prices.update(before)
        self.forks += 1
        if self.listener is not None:
            self.listener.on_unwritten(_writes(gone), self.block, tx_hash)
        self._tell_heads(self.block)

    def _tell_heads(self, *numbers: int) -> None:
        for number in numbers:
            if self.listener is not None:
                parent = self.block_hash(number - 1)
                self.listener.on_head(
                    Head(number, self.block_hash(number), parent, 0, Wei(self.base_fee), Gas(self.block_gas_limit))
                )

    def _tell_writes(self, tx_hash: bytes) -> None:
        writes: Sequence[FeedWrite] = self.receipts[tx_hash].writes
        if self.listener is not None and writes:
            self.listener.on_writes(writes, self.block, tx_hash)

    # How it is answered

    async def _travel(self) -> None:
        now = asyncio.get_running_loop().time()
        self._busy[int(now)] += 1
        assert self._busy[int(now)] <= self.most_requests_a_second, f"a hot loop at {now:.3f} s: {self.requests}"
        await asyncio.sleep(self.latency_s)
        if self.fail:
            self.fail -= 1
        elif not self.down:
            return
        self._ill_until = now + _ILL_S
        raise Transient("no endpoint answers")

    @property
    def _seen(self) -> int:
        return max(self.block - self.lag, 0)

    def _told_nonce(self) -> int:
        if self.nonce_lie is not None:
            return max(self.nonce + self.nonce_lie, 0)
        return self.nonce - sum(mined.block > self._seen for mined in self.mined)

    def _old_prices(self) -> Mapping[FeedId, Price | None]:
        prices: dict[FeedId, Price | None] = dict(self.prices)
        for mined in reversed(self.mined):
            if mined.block > self._seen:
                prices |= mined.overwritten
        return prices


def _writes(stored: Mapping[FeedId, Price]) -> list[FeedWrite]:
    return [FeedWrite(feed_id, price.publish_time, price.price, price.conf) for feed_id, price in stored.items()]
