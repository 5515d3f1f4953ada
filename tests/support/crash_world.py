"""A keeper that is killed and started again over one journal, and what a test needs to see of all that."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Connection, select

from keeper.journal.address import PostgresServer, SqliteFile, parse_journal_url
from keeper.journal.reading import for_reading
from keeper.journal.tables import attempts, pushes
from keeper.lab.anvil import DEV_ADDRESS, Anvil
from keeper.lab.hermes import HermesSimulator
from tests.support.gate import Gate
from tests.support.keeper_process import (
    RunningKeeper,
    devnet_contract,
    environment,
    keeper_running,
    simulator_running,
)
from tests.support.node import Json, Node
from tests.support.pyth_contract import PythContract
from tests.support.verdict import assert_books_match
from tests.support.waiting import wait_until

PATIENCE_S = 40.0
"""For anything: the machine may be busy."""
QUICK = {
    "DEBOUNCE_MS": "0",
    "EARLY_UPDATE": "never",
    "RETRY_DELAY_MS": "300",
    "RESEND_AFTER_MS": "1000",
    "REPLACE_AFTER_BLOCKS": "1",
    "CONFIRMATIONS": "1",
    "LOG_LEVEL": "debug",
}
BLOCK_TIME_S = 0.5
PRICES = 10
AT_REST = {"included", "final", "released", "superseded"}
GWEI = 10**9


@dataclass
class CrashWorld:
    """Around one account: its chain behind a gate, its journal, its prices."""

    node: Node
    gate: Gate
    simulator: HermesSimulator
    contract: PythContract
    environ: dict[str, str]
    folder: Path
    journal_url: str
    node_url: str
    first_nonce: int
    """Of the account, before the keeper came."""
    record: Callable[[str, object], None]
    strangers: set[str] = field(default_factory=set)
    """Landed transactions of which this journal cannot know."""
    _next_block_at: float = 0.0

    @asynccontextmanager
    async def keeper(self, *, under: Sequence[str] = (), **settings: str) -> AsyncIterator[RunningKeeper]:
        """A keeper that has taken over what was left to it."""
        environ = self.environ | QUICK | {"JOURNAL_URL": self.journal_url} | settings
        async with keeper_running(environ, self.folder, under=under) as keeper:
            yield keeper

    @asynccontextmanager
    async def settled_keeper(self, **settings: str) -> AsyncIterator[RunningKeeper]:
        """The same, once its first prices are on chain; all that happens from then on is the test's doing."""
        async with self.keeper(**settings) as keeper:
            await wait_until(lambda: keeper.told("push_confirmed"), timeout_s=PATIENCE_S)
            yield keeper

    async def jump(self, feed: int = 0) -> None:
        """Make a feed due, by a price that is newer than the one on chain."""
        on_chain = await self.contract.price(self.simulator.feed_ids[feed])
        await wait_until(lambda: time.time() >= on_chain.publish_time + 1.1, timeout_s=PATIENCE_S)
        self.simulator.publisher.jump(self.simulator.feed_ids[feed], percent=Decimal(1))

    async def is_fresh(self, feed: int = 0) -> bool:
        """Whether the latest price of a feed is on chain."""
        feed_id = self.simulator.feed_ids[feed]
        on_chain = await self.contract.price(feed_id)
        return on_chain.price == self.simulator.publisher.market.find(feed_id).quote.price

    async def mine_at_once(self, *, wanted: bool) -> None:
        """Whether the node mines every transaction as it comes, or only when told to."""
        await self.node.request("evm_setAutomine", wanted)

    async def mine(self, *, base_fee: int | None = None) -> None:
        """One block, of a base fee if one is given."""
        if base_fee is not None:
            await self.node.request("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
        await self.node.request("anvil_mine", "0x1")

    async def pooled(self) -> list[dict[str, Json]]:
        """What waits to be mined."""
        pool = await self.node.request("txpool_content")
        return [each for part in pool.values() for sender in part.values() for each in sender.values()]

    async def prices_later(self, *keepers: RunningKeeper) -> None:
        """Each of these has been told prices often enough to have pushed, if it were to."""
        for keeper in keepers:
            before = await _told_prices(keeper)
            await wait_until(partial(_is_told_prices, keeper, before + PRICES), timeout_s=PATIENCE_S)

    async def mined(self) -> int:
        """How many transactions of the keeper's are on chain."""
        return int(await self.node.request("eth_getTransactionCount", DEV_ADDRESS, "latest"), 16) - self.first_nonce

    async def attempts(self) -> list[str]:
        """Hashes in the journal, in the order of signing."""
        return ["0x" + each.hash.hex() for each in await self._rows(select(attempts).order_by(attempts.c.signed_at))]

    async def states(self) -> list[str]:
        """Of the pushes, in their order."""
        return [each.state for each in await self._rows(select(pushes).order_by(pushes.c.push))]

    async def _rows(self, query: Any) -> list[Any]:
        def read(connection: Connection) -> list[Any]:
            return list(connection.execute(query))

        return await for_reading(parse_journal_url(self.journal_url)).run(read)

    async def block_hash_of(self, tx_hash: str) -> str | None:
        """None while it is not mined."""
        receipt = await self.node.request("eth_getTransactionReceipt", tx_hash)
        return receipt and str(receipt["blockHash"])

    async def converges(self, keeper: RunningKeeper, *, since: float, feeds: Sequence[int] = (0,)) -> None:
        """Blocks go on; in the end prices are fresh, and nothing is in flight.

        `since`, of the monotonic clock, is when the fault was over: how long it took from there is recorded.
        """
        await self.mine_at_once(wanted=True)
        for feed in feeds:
            await self.blocks_until(partial(self.is_fresh, feed))
        self.record("recovery_s", round(time.monotonic() - since, 2))
        await self.blocks_until(partial(self._is_calm, keeper))

    async def blocks_until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Mine a block now and then until the condition holds."""

        async def holds() -> bool:
            if time.monotonic() >= self._next_block_at:
                self._next_block_at = time.monotonic() + BLOCK_TIME_S
                await self.mine()
            return await condition()

        await wait_until(holds, timeout_s=PATIENCE_S)

    async def _is_calm(self, keeper: RunningKeeper) -> bool:
        """Whether all it did is settled, in its journal as well."""
        network = await keeper.network()
        return network["in_flight"] == 0 and set(await self.states()) <= AT_REST

    async def assert_books_match(self) -> None:
        """The journal is right about everything on chain; only once no keeper runs."""
        await assert_books_match(
            self.node_url, self.journal_url, DEV_ADDRESS, since_nonce=self.first_nonce, strangers=self.strangers
        )


@asynccontextmanager
async def crash_world(
    anvil: Anvil, node: Node, *, journal_url: str, folder: Path, record: Callable[[str, object], None]
) -> AsyncIterator[CrashWorld]:
    """Three feeds, a contract that was never written, a gate that is open, and an empty journal.

    A keeper that is back after a crash need not wait for the end of a lease.
    """
    alone = {"COORDINATION": "none"} if isinstance(parse_journal_url(journal_url), PostgresServer) else {}
    async with simulator_running(feeds=3) as simulator, devnet_contract(anvil, simulator) as contract:
        first_nonce = int(await node.request("eth_getTransactionCount", DEV_ADDRESS, "latest"), 16)
        async with Gate(anvil.url) as gate:
            yield CrashWorld(
                node=node,
                gate=gate,
                simulator=simulator,
                contract=PythContract(node, contract),
                environ=environment(gate.url, simulator, contract, folder) | alone,
                folder=folder,
                journal_url=journal_url,
                node_url=anvil.url,
                first_nonce=first_nonce,
                record=record,
            )


async def _told_prices(keeper: RunningKeeper) -> int:
    _, status = await keeper.get("/status")
    return int(status["sources"][0]["events"])


async def _is_told_prices(keeper: RunningKeeper, most: int) -> bool:
    return await _told_prices(keeper) > most


async def kill(keeper: RunningKeeper) -> None:
    """`kill -9`."""
    keeper.process.kill()
    await keeper.process.wait()


@asynccontextmanager
async def locked(journal_url: str) -> AsyncIterator[None]:
    """A journal that can be read, and that nobody else can write to."""
    address = parse_journal_url(journal_url)
    if isinstance(address, SqliteFile):
        with closing(sqlite3.connect(address.path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
    else:
        assert isinstance(address, PostgresServer)
        connection = await asyncpg.connect(address.url)
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE keeper_pushes IN EXCLUSIVE MODE")
                yield
        finally:
            await asyncio.wait_for(connection.close(), PATIENCE_S)
