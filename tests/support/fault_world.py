"""A keeper between its prices and its chain, and what tests of faults do to all three."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from keeper.domain.price import Price
from keeper.domain.units import FeedId
from keeper.evm import pyth
from keeper.lab.anvil import DEV_ADDRESS, Anvil
from keeper.lab.hermes import HermesSimulator
from tests.support.keeper_process import (
    RunningKeeper,
    devnet_contract,
    environment,
    keeper_running,
    simulator_running,
)
from tests.support.node import Node
from tests.support.verdict import assert_books_match
from tests.support.waiting import wait_until

PATIENCE_S = 30.0
"""For anything: the machine may be busy."""
QUICK = {
    "DEBOUNCE_MS": "0",
    "EARLY_UPDATE": "never",
    "RETRY_DELAY_MS": "300",
    "RESEND_AFTER_MS": "1000",
    "LOG_LEVEL": "debug",
}
_A_JUMP = Decimal(1)
_LAST_WORDS = 30
"""So many lines of a keeper's log are told of a test that fails."""

Record = Callable[[str, object], None]


@dataclass
class FaultWorld:
    """One chain with a contract, prices for it, and the settings of a keeper."""

    anvil: Anvil
    node: Node
    simulator: HermesSimulator
    contract: str
    environ: dict[str, str]
    folder: Path
    first_nonce: int
    """Of the account when the keeper comes."""
    record: Record
    """Takes the figures of a test, by name."""
    strangers: set[str] = field(default_factory=set)
    """Hashes of what others send with the keeper's key."""

    @asynccontextmanager
    async def keeper(self, **settings: str) -> AsyncIterator[RunningKeeper]:
        """One that has made its first push. In the end it is stopped at rest, and its books are checked."""
        async with keeper_running(self.environ | QUICK | settings, self.folder) as keeper:
            await wait_until(lambda: keeper.told("push_confirmed"), timeout_s=PATIENCE_S)
            try:
                yield keeper
                await wait_until(lambda: _is_at_rest(keeper), timeout_s=PATIENCE_S)
            except AssertionError as failure:
                failure.add_note("\n".join(str(line) for line in keeper.lines[-_LAST_WORDS:]))
                raise
        await assert_books_match(
            self.anvil.url,
            f"sqlite:///{self.folder / 'keeper-journal.db'}",
            DEV_ADDRESS,
            since_nonce=self.first_nonce,
            strangers=self.strangers,
        )

    async def jump(self, feed: int = 0) -> None:
        """Make a feed due, in a second in which its price can be newer than any before."""
        published = int(time.time())
        await wait_until(lambda: time.time() >= published + 1.05)
        self.simulator.publisher.jump(self.simulator.feed_ids[feed], percent=_A_JUMP)

    async def price_lands(self, feed: int = 0) -> float:
        """Wait until the chain has what the source has; returns the seconds that took."""
        started = time.monotonic()
        await wait_until(lambda: self.is_fresh(feed), timeout_s=PATIENCE_S)
        return round(time.monotonic() - started, 2)

    async def is_fresh(self, feed: int = 0) -> bool:
        """Whether the contract holds the source's price."""
        stored = await self.stored(feed)
        return stored.price == self.simulator.publisher.market.feeds[feed].quote.price

    async def stored(self, feed: int = 0) -> Price:
        """The price on chain, by the contract's own word."""
        call = {
            "to": self.contract,
            "data": "0x" + pyth.get_price_unsafe(FeedId(self.simulator.feed_ids[feed])).hex(),
        }
        return pyth.read_price(bytes.fromhex((await self.node.request("eth_call", call, "latest"))[2:]))

    async def sees_the_chain(self, keeper: RunningKeeper, feed: int = 0) -> bool:
        """Whether the keeper's view holds what the contract holds."""
        shown = (await keeper.network())["feeds"][feed]["on_chain"]
        stored = await self.stored(feed)
        return (int(shown["price"]), shown["publish_time"]) == (stored.price, stored.publish_time)

    async def blocks(self) -> int:
        """The newest one."""
        return int(await self.node.request("eth_blockNumber"), 16)

    async def mined(self) -> int:
        """How many transactions of the account are."""
        return int(await self.node.request("eth_getTransactionCount", DEV_ADDRESS, "latest"), 16)

    async def waiting(self) -> list[str]:
        """Hashes of the account's transactions that are in the pool, by nonce."""
        pool = await self.node.request("txpool_content")
        found = {
            int(nonce): transaction["hash"]
            for part in ("pending", "queued")
            for sender, transactions in pool[part].items()
            if sender.lower() == DEV_ADDRESS.lower()
            for nonce, transaction in transactions.items()
        }
        return [found[nonce] for nonce in sorted(found)]


@asynccontextmanager
async def fault_world(anvil: Anvil, node: Node, folder: Path, record: Record) -> AsyncIterator[FaultWorld]:
    """A world in which nothing is wrong so far."""
    async with simulator_running(feeds=3) as simulator, devnet_contract(anvil, simulator) as contract:
        environ = environment(anvil.url, simulator, contract, folder)
        world = FaultWorld(anvil, node, simulator, contract, environ, folder, first_nonce=0, record=record)
        world.first_nonce = await world.mined()
        yield world


async def _is_at_rest(keeper: RunningKeeper) -> bool:
    return bool((await keeper.network())["in_flight"] == 0)
