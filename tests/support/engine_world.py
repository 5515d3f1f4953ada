"""A network, its journal and a hostile chain around it, that is killed and started again, and watched all the while."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

from keeper.coordination.solo import Solo
from keeper.domain.accounting import cost_of
from keeper.domain.events import Event
from keeper.domain.transaction import Fate, Flight, SignedTransaction, State
from keeper.domain.units import Wei
from keeper.pipeline.config import NetworkConfig
from keeper.pipeline.journaling import DurableJournal, OnFailure
from keeper.pipeline.network import Network
from keeper.ports import Account, Note, Outside
from keeper.signing.raw_key import RawKeySigner
from tests.support.clock import LoopClock
from tests.support.hostile_chain import HostileChain
from tests.support.journal import FakeJournal, Shelf, Story
from tests.support.market import FEEDS, Market
from tests.support.orders import FakeOrders

SIGNER = RawKeySigner(bytes(31) + b"\x01")
_OUT = {Fate.HELD, Fate.DOUBTFUL}


class Owner(NamedTuple):
    """Whose a transaction is: pushes count from 1 with every fresh journal."""

    shelf: int
    push: int


def _brief(flight: Flight) -> str:
    fates = [tried.fate.value for tried in flight.attempts]
    block = flight.receipt and flight.receipt.block_number
    return f"push {flight.push} nonce {flight.nonce} {flight.state.value} {fates} in block {block}"


@dataclass
class WatchedJournal(FakeJournal):
    """Knows all bytes that it ever got, and refuses to see a nonce used for two pushes at once."""

    number: int = 0
    """Of the shelf."""
    owners: dict[bytes, Owner] = field(default_factory=dict)

    async def record(self, account: Account, flight: Flight, note: Note) -> None:
        await super().record(account, flight, note)
        self.owners |= {tried.signed.hash: Owner(self.number, flight.push) for tried in flight.attempts}
        if note.kind == "signed":
            self._check_nonce(account, flight)
        if flight.end is State.RELEASED:
            assert not flight.out, f"released, though bytes may have left: {_brief(flight)}"

    def _check_nonce(self, account: Account, flight: Flight) -> None:
        for other in self.shelf.stories[account].values():
            unresolved = other.flight.end is None and any(tried.fate in _OUT for tried in other.flight.attempts)
            shared = other.flight.nonce == flight.nonce and other.flight.push != flight.push
            assert not (unresolved and shared), f"a nonce for two pushes: {_brief(other.flight)} {_brief(flight)}"


class World:
    """Everything there is; inside an `async with`."""

    def __init__(self, config: NetworkConfig, chain: HostileChain, *, block_time_s: float) -> None:
        self.chain = chain
        self.market = Market()
        self.events: list[Event] = []
        self.shelf, self.shelves = Shelf(), 1
        self.owners: dict[bytes, Owner] = {}
        self.prices: dict[str, int] = {"F1": 100_000, "F2": 100_000}
        self.crashes = 0
        self._config = config
        self._block_time_s = block_time_s
        chain.check_bytes = self._check_bytes

    async def __aenter__(self) -> Self:
        self._blocks = asyncio.create_task(self._produce_blocks())
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._blocks.cancel()
        await self._end()

    def heal(self) -> None:
        """All faults are over."""
        self.chain.heal()
        self.files.failure = ""

    async def start(self) -> None:
        """A process begins."""
        self.files = WatchedJournal(self.shelf, number=self.shelves, owners=self.owners)
        self.journal = DurableJournal(self.files, on_failure=OnFailure.STOP, clock=LoopClock(), emit=self.events.append)
        await self.journal.open()
        self.network = Network(
            config=self._config,
            outside=Outside(
                chain=self.chain,
                signer=SIGNER,
                journal=self.journal,
                clock=LoopClock(),
                emit=self.events.append,
                heard_at=LoopClock().now,
                orders=FakeOrders(),
                mandate=Solo(),
            ),
        )
        self._running = asyncio.create_task(self.network.run())
        self.publish()

    async def crash(self, *, fresh: bool = False) -> None:
        """The process dies and another one starts: with the same journal, or on a fresh disk."""
        await self._end()
        self.crashes += 1
        if fresh:
            self.shelf = Shelf()
            self.shelves += 1
        await self.start()

    async def _end(self) -> None:
        self.check_running()
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self.journal.close()

    def publish(self, **prices: int) -> None:
        """What is not named stays as it was."""
        self.prices |= prices
        self.network.take(self.market.event(self.prices))

    async def pass_time(self, seconds: float) -> None:
        """Prices are published every second meanwhile."""
        while seconds > 0:
            await asyncio.sleep(min(seconds, 1.0))
            self.publish()
            self.check()
            seconds -= 1.0

    async def _produce_blocks(self) -> None:
        while True:
            await asyncio.sleep(self._block_time_s)
            self.chain.next_block()

    # What holds always

    def check_running(self) -> None:
        """The network's tasks do not fail."""
        if self._running.done():
            self._running.result()
            raise AssertionError("the network has stopped by itself")

    def check(self) -> None:
        """No decision is paid for twice, and whatever is on chain is ours to know."""
        self.check_running()
        for owner, times in Counter(self.owners[tx_hash] for tx_hash in self.landed()).items():
            assert times == 1, f"{owner} has landed {times} times"

    def _check_bytes(self, signed: SignedTransaction) -> None:
        assert signed.hash in self.owners, "bytes leave before the journal has them"

    def landed(self) -> Sequence[bytes]:
        """Hashes of our transactions on chain."""
        hashes = (mined.pending.tx_hash for mined in self.chain.mined)
        return [tx_hash for tx_hash in hashes if tx_hash not in self.chain.strangers]

    # What holds in the end

    @property
    def fresh(self) -> bool:
        """Whether the contract has the prices published last."""
        stored = [self.chain.prices.get(feed_id) for feed_id in FEEDS[:2]]
        wanted = self.prices.values()
        return all(price and abs(price.price - want) * 1000 < want for price, want in zip(stored, wanted, strict=True))

    @property
    def settled(self) -> bool:
        """Whether all is done."""
        return self.fresh and self.network.status().in_flight == 0

    async def converge(self, *, within_s: int) -> int:
        """Wait until all is done; returns how many seconds it took."""
        for waited_s in range(within_s):
            if self.settled:
                return waited_s
            await self.pass_time(1)
        raise AssertionError(f"not settled {within_s} s after the last fault: {self._story()}")

    def _story(self) -> str:
        status = self.network.status()
        flights = [_brief(story.flight) for story in self._stories() if story.flight.end is None]
        return (
            f"fresh {self.fresh}, in flight {status.in_flight}, "
            f"next nonce {status.nonce}, on chain {self.chain.nonce}, pool {sorted(self.chain.pool)}, "
            f"ready {status.ready}, detail {status.detail}, "
            f"asked {dict(self.chain.requests)}, flights {flights}"
        )

    def check_books(self) -> None:
        """The journal tells exactly what is on chain; all flights of long ago are final."""
        stories = self._stories()
        costs = {mined.pending.tx_hash: mined.cost for mined in self.chain.mined}
        told = {story.flight.receipt.tx_hash: story.flight for story in stories if story.flight.receipt is not None}
        here = {tx_hash for tx_hash in self.landed() if self.owners[tx_hash].shelf == self.shelves}
        assert here == told.keys(), (
            f"lost: {[self.owners[each] for each in here - told.keys()]}, "
            f"invented: {[self.owners[each] for each in told.keys() - here]}, "
            f"journal: {[_brief(story.flight) for story in stories]}"
        )
        for tx_hash, flight in told.items():
            assert flight.receipt is not None
            assert replace(flight.receipt, error="") == self.chain.receipts[tx_hash]
            cost = cost_of(flight)
            assert cost is not None
            assert cost.total == costs[tx_hash]
        unended = [
            story.flight for story in stories if story.flight.end is None and story.flight.nonce < self.chain.nonce
        ]
        deep = self.chain.block - self._config.submit.rules.confirmations - 20
        stuck = [each for each in unended if each.receipt is None or each.receipt.block_number <= deep]
        assert not stuck, f"not final at block {self.chain.block}: {list(map(_brief, stuck))}"

    def spent_on_chain(self) -> Wei:
        """By our own transactions."""
        ours = set(self.landed())
        return Wei(sum(mined.cost for mined in self.chain.mined if mined.pending.tx_hash in ours))

    def _stories(self) -> Sequence[Story]:
        accounts = self.shelf.stories.values()
        return [story for stories in accounts for story in stories.values()]
