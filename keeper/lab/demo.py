"""The whole devnet in one process: Anvil, a Pyth contract, the Hermes simulator, and a real keeper between them."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Never, TextIO

import yaml
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from keeper.app.clock import SystemClock
from keeper.app.loading import load
from keeper.app.logs import logging_as
from keeper.app.runtime import Keeper
from keeper.app.screen import screen
from keeper.app.settings import NAMES, Settings
from keeper.app.wiring import assembled
from keeper.evm.rpc import RpcPool, transport
from keeper.lab.anvil import DEV_PRIVATE_KEY, Anvil
from keeper.lab.anvil_install import ensure_anvil
from keeper.lab.contract import ContractTerms, deploy_contract
from keeper.lab.hermes import HermesSimulator, SimulatorConfig
from keeper.lab.multicall import place_multicall
from keeper.server.status import status_view
from keeper.signing.raw_key import RawKeySigner

_ANVIL_PORT = 8545
_HERMES_PORT = 8090
_REFRESH_S = 0.5
_HEAD_LINES = 6
_OWN_SETTINGS = frozenset(
    {
        "private_key", "private_key_file", "chain_id", "rpc_url", "contract_address", "network_name", "hermes_url",
        "hermes_api_key", "hermes_api_key_file", "price_feed_ids", "price_config_file", "feeds", "journal_url",
        "database_url", "coordination",
    }
)  # fmt: skip
"""What the devnet decides; the environment may set the rest."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What `keeper demo` can be told."""

    hermes: SimulatorConfig
    block_time_s: float | None
    """None mines every transaction at once."""
    live_table: bool


@dataclass(frozen=True, slots=True)
class Devnet:
    """A devnet that runs."""

    rpc_url: str
    hermes_url: str
    contract: str
    feeds: tuple[tuple[str, str], ...]
    """Id and symbol of each feed."""
    folder: Path
    """For what ends with it."""

    @property
    def config(self) -> Path:
        """Where its settings are written."""
        return self.folder / "devnet.yaml"


async def demo(options: DemoOptions, *, lines: TextIO) -> None:
    """Run until a signal ends it, logging to `lines`; raises KeeperError when the devnet does not come up."""
    async with _devnet(options) as devnet:
        settings = _settings(devnet, os.environ)
        with logging_as(settings, lines) as redactor:
            async with assembled(settings, redactor=redactor) as parts:
                where = _directions(devnet, parts.server.port)
                if options.live_table:
                    await _with_table(parts.keeper, where)
                else:
                    _announce(where)
                    await parts.keeper.run()


@asynccontextmanager
async def _devnet(options: DemoOptions) -> AsyncIterator[Devnet]:
    binary = await ensure_anvil(announce=_announce)
    simulator = HermesSimulator(options.hermes)
    async with Anvil(binary, port=_free(_ANVIL_PORT), block_time_s=options.block_time_s) as node:
        pool = RpcPool([transport("anvil", node.url)], clock=SystemClock())
        try:
            await place_multicall(pool)
            contract = await deploy_contract(
                pool,
                signer=RawKeySigner(DEV_PRIVATE_KEY),
                terms=ContractTerms(signers=simulator.signers, quorum=simulator.quorum),
            )
        finally:
            await pool.close()
        await simulator.start(port=_free(_HERMES_PORT))
        try:
            feeds = simulator.publisher.market.catalogue.feeds
            with TemporaryDirectory() as folder:
                symbols = tuple((feed.id, feed.symbol) for feed in feeds)
                yield Devnet(node.url, simulator.url, contract, symbols, Path(folder))
        finally:
            await simulator.stop()


def _settings(devnet: Devnet, environ: Mapping[str, str]) -> Settings:
    """The environment's settings, on the devnet's chain, contract, source and feeds."""
    given = {
        name: value for name, value in environ.items() if name.lower() in NAMES and name.lower() not in _OWN_SETTINGS
    }
    own = {
        "private_key": DEV_PRIVATE_KEY.hex(),
        "rpc_url": devnet.rpc_url,
        "contract_address": devnet.contract,
        "network_name": "devnet",
        "hermes_url": devnet.hermes_url,
        "feeds": [{"id": feed_id, "alias": symbol} for feed_id, symbol in devnet.feeds],
        "journal_url": f"sqlite:///{devnet.folder}/journal.db",
        "coordination": "none",
    }
    devnet.config.write_text(yaml.safe_dump(own))
    return load(config_file=devnet.config, environ=given, dotenv=None, port_must_be_free=True)


async def _with_table(keeper: Keeper, where: str) -> None:
    """Run the keeper behind a live table of feeds and pushes."""
    console = Console()
    with Live(console=console, auto_refresh=False, screen=True) as live:
        table = asyncio.create_task(_refresh(live, console, keeper, where), name="live table")
        try:
            await keeper.run()
        finally:
            table.cancel()
            await asyncio.gather(table, return_exceptions=True)


async def _refresh(live: Live, console: Console, keeper: Keeper, where: str) -> Never:
    while True:
        view = await status_view(keeper.status())
        live.update(Group(Text(where), screen(view, height=console.height - _HEAD_LINES)), refresh=True)
        await asyncio.sleep(_REFRESH_S)


def _directions(devnet: Devnet, port: int) -> str:
    """Where everything is, and what to try."""
    jump = json.dumps({"action": "jump", "feed": devnet.feeds[0][1], "percent": 1})
    return "\n".join(
        [
            f"RPC {devnet.rpc_url}   Hermes {devnet.hermes_url}   contract {devnet.contract}",
            f"live page http://127.0.0.1:{port}/   and /health /status /metrics   pid {os.getpid()}",
            f"force an update:  kill -USR1 {os.getpid()}",
            f"see the pushes:   .venv/bin/keeper journal list --config {devnet.config}",
            f"move a price:     curl {devnet.hermes_url}/control -d '{jump}'",
            "end:              Ctrl-C",
        ]
    )


def _free(preferred: int) -> int:
    """The preferred port if nobody listens there, else any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            return 0
    return preferred


def _announce(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
