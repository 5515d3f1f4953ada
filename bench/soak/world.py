"""A keeper in a process of its own, and around it all that can go wrong: prices, two RPC endpoints, a chain."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Connection, func, select

from keeper.domain.errors import Fatal, JournalError
from keeper.domain.transaction import ENDED
from keeper.journal.address import SqliteFile
from keeper.journal.database import SqliteDatabase
from keeper.journal.tables import pushes
from keeper.lab.anvil import DEV_ADDRESS, Anvil
from keeper.lab.anvil_install import ensure_anvil
from keeper.lab.hermes import HermesSimulator
from tests.support.keeper_process import devnet_contract, environment, keeper_running, simulator_running
from tests.support.node import Node
from tests.support.proxy import FaultyProxy
from tests.support.relay import Relay

FEEDS = 10
BLOCK_TIME_S = 1
CONFIRMATIONS = 3
"""No reorganisation is deeper."""
_VOLATILITY_PPM = 80
_JOURNAL = "journal.db"
_LOG = "keeper.log"
_SETTINGS = {
    "CONFIRMATIONS": str(CONFIRMATIONS),
    "DEBOUNCE_MS": "500",
    "FORCE_UPDATE_INTERVAL_MS": "0",
    "JOURNAL_URL": f"sqlite:///{_JOURNAL}",
    "MAX_TIP_GWEI": "2",  # ours are the only bids in the fee history: they would follow themselves upwards
    "RESEND_AFTER_MS": "3000",
    "RETRY_DELAY_MS": "500",
}


@dataclass
class World:
    """Everything around the keeper, and the keeper."""

    node: Node
    node_url: str
    simulator: HermesSimulator
    http: Relay
    websocket: FaultyProxy
    folder: Path
    environ: dict[str, str]
    first_nonce: int = 0
    """Of the account when the keeper comes."""
    balance: int = 0
    """The same; and what was given to it or taken away since."""
    starts: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)
    """Of keepers that have ended."""
    _running: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def journal(self) -> SqliteFile:
        """Of the keeper."""
        return SqliteFile(self.folder / _JOURNAL)

    async def start_keeper(self) -> None:
        """Once more if it was killed."""
        self.keeper = await self._running.enter_async_context(
            keeper_running(self.environ, self.folder, ready=self.starts == 0)
        )
        self.starts += 1

    async def kill_keeper(self) -> None:
        """As the kernel does."""
        self.keeper.process.kill()
        await self.end_keeper()

    async def end_keeper(self) -> None:
        """In order, where it runs."""
        await self._running.aclose()
        self.log += self.keeper.lines

    async def head(self) -> int:
        """Number of the newest block."""
        return int(await self.node.request("eth_blockNumber"), 16)

    async def waiting(self) -> int:
        """How many transactions wait in the pool."""
        return int((await self.node.request("txpool_status"))["pending"], 16)

    async def nonce(self) -> int:
        """Of the keeper's account, the next one."""
        return int(await self.node.request("eth_getTransactionCount", DEV_ADDRESS, "latest"), 16)

    async def funds(self) -> int:
        """Of the keeper's account."""
        return int(await self.node.request("eth_getBalance", DEV_ADDRESS, "latest"), 16)

    async def is_at_rest(self) -> bool:
        """Whether nothing is due, nothing under way, and nothing wrong; raises Fatal where the keeper is gone."""
        if self.keeper.process.returncode is not None:
            raise Fatal(f"the keeper has ended by itself, with {self.keeper.process.returncode}")
        status, _ = await self.keeper.get("/health")
        network = await self.keeper.network()
        settled = all(feed["verdict"] != "due" for feed in network["feeds"]) and not network["in_flight"]
        return status == 200 and settled and not await self._open_pushes()

    async def _open_pushes(self) -> int:
        def count(connection: Connection) -> int:
            ended = [state.value for state in ENDED]
            query = select(func.count()).select_from(pushes).where(pushes.c.state.not_in(ended))
            return connection.execute(query).scalar_one()

        try:
            return await SqliteDatabase(self.journal, read_only=True).run(count)
        except JournalError:
            return 1

    async def move_prices(self, *, on: bool) -> None:
        """Let prices walk, or stand still."""
        await self.simulator.control({"action": "volatility", "ppm": _VOLATILITY_PPM if on else 0})


@asynccontextmanager
async def world(folder: Path, chance: Random) -> AsyncIterator[World]:
    """All of it, with a keeper that runs and prices that stand still."""
    binary = await ensure_anvil(announce=lambda text: print(text, file=sys.stderr))
    async with (
        Anvil(binary, block_time_s=BLOCK_TIME_S) as anvil,
        Node(anvil.url) as node,
        simulator_running(feeds=FEEDS, interval_ms=400) as simulator,
        devnet_contract(anvil, simulator) as contract,
        Relay(anvil.url) as http,
        FaultyProxy(anvil.port) as websocket,
    ):
        endpoints = [http.url, websocket.ws_url]
        chance.shuffle(endpoints)
        environ = environment(",".join(endpoints), simulator, contract, folder) | _SETTINGS
        around = World(
            node=node,
            node_url=anvil.url,
            simulator=simulator,
            http=http,
            websocket=websocket,
            folder=folder,
            environ=environ | {"MAX_IN_FLIGHT": str(chance.choice((1, 3)))},
        )
        around.first_nonce, around.balance = await around.nonce(), await around.funds()
        await around.start_keeper()
        try:
            yield around
        finally:
            await around.end_keeper()
            (folder / _LOG).write_text("".join(f"{json.dumps(line)}\n" for line in around.log), encoding="utf-8")
