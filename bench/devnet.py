"""A real chain for the keeper: Anvil, our contract, the Hermes simulator, and a proxy that sees what passes."""

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp import web

from bench import programs
from keeper.app.clock import SystemClock
from keeper.domain.units import Wei
from keeper.evm.rpc import RpcPool, transport
from keeper.lab.anvil import DEV_PRIVATE_KEY, Anvil
from keeper.lab.anvil_install import ensure_anvil
from keeper.lab.contract import ContractTerms, deploy_contract
from keeper.lab.hermes import HermesSimulator, SimulatorConfig
from keeper.lab.multicall import place_multicall
from keeper.signing.raw_key import RawKeySigner

FEEDS = 10
FEE_PER_MESSAGE = Wei(2 * 10**15)
"""0.002 coins."""

_RECEIPT = "eth_getTransactionReceipt"
_LAST_OF_THE_START = "eth_estimateGas"
"""Once this is answered the keeper is ready."""
_BLOCKS_TO_BE_FINAL = "0x4"
"""More than `CONFIRMATIONS`."""
_PATIENCE_S = 30.0
_NEXT_SECOND_S = 1.05
"""Publish times are whole seconds: a push that follows sooner would have nothing newer to send."""
_NEVER_S = 86_400
_MS = 1000


class CountingProxy:
    """Stands between the keeper and its node, inside an `async with`, and counts what passes."""

    def __init__(self, node: str) -> None:
        self.methods: Counter[str] = Counter()
        """JSON-RPC requests by method; those of a batch one by one."""
        self.receipts: dict[str, dict[str, Any]] = {}
        """Receipts that were given out, by transaction hash."""
        self._node = node
        app = web.Application()
        app.router.add_post("/", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None)

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
        await self._http.close()

    @property
    def address(self) -> str:
        """Host and port."""
        host, port, *_ = self._runner.addresses[0]
        return f"{host}:{port}"

    async def ask(self, method: str, *params: object) -> Any:  # noqa: ANN401 - whatever JSON may hold
        """Ask the node something that does not count."""
        call = {"jsonrpc": "2.0", "id": 0, "method": method, "params": params}
        async with self._http.post(self._node, json=call) as answer:
            return (await answer.json())["result"]

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        async with self._http.post(self._node, data=body, headers={"Content-Type": "application/json"}) as answer:
            answered = await answer.read()
        calls, results = _listed(body), {response["id"]: response.get("result") for response in _listed(answered)}
        for call in calls:
            self.methods[call["method"]] += 1
            receipt = results.get(call["id"])
            if call["method"] == _RECEIPT and receipt:
                self.receipts[receipt["transactionHash"]] = receipt
        return web.Response(body=answered, content_type="application/json")


def _listed(body: bytes) -> list[dict[str, Any]]:
    message = msgspec.json.decode(body)
    return message if isinstance(message, list) else [message]


@dataclass(frozen=True, slots=True)
class Push:
    """A push that was mined."""

    gas: int
    feeds: int
    """How many the contract stored."""
    fee: int
    """What the contract was paid, in wei."""


@dataclass(frozen=True, slots=True)
class Devnet:
    """A chain with a contract, a source of prices, and what passes between the chain and the keeper."""

    hermes: HermesSimulator
    proxy: CountingProxy
    contract: str

    @asynccontextmanager
    async def keeper(self, *, early_update: str = "cheaper", poll_s: int = _NEVER_S) -> AsyncIterator[programs.Program]:
        """A keeper that has read the chain and has pushed every feed at least once."""
        asked = self.proxy.methods[_LAST_OF_THE_START]
        with (
            tempfile.TemporaryDirectory() as folder,
            programs.keeper(
                Path(folder),
                rpc=self.proxy.address,
                hermes=urlsplit(self.hermes.url).netloc,
                feeds=self.hermes.feed_ids,
                contract=self.contract,
                EARLY_UPDATE=early_update,
                LOG_LEVEL="debug",
                MONITORING_INTERVAL_MS=str(poll_s * _MS),
            ) as program,
        ):
            await _until(lambda: self.proxy.methods[_LAST_OF_THE_START] > asked, program)
            await asyncio.sleep(_NEXT_SECOND_S)  # the first keeper pushes what was never pushed
            await self.push(FEEDS - 1, program)
            yield program

    async def push(self, feed: int, program: programs.Program) -> Push:
        """Let a feed jump by 1%; the push that follows."""
        receipts = self.proxy.receipts
        known = len(receipts)
        self.hermes.publisher.jump(self.hermes.feed_ids[feed], percent=Decimal(1))
        await _until(lambda: len(receipts) > known, program)
        await asyncio.sleep(_NEXT_SECOND_S)
        tx_hash, receipt = list(receipts.items())[-1]
        sent = await self.proxy.ask("eth_getTransactionByHash", tx_hash)
        return Push(gas=int(receipt["gasUsed"], 16), feeds=len(receipt["logs"]), fee=int(sent["value"], 16))

    async def settle(self, program: programs.Program) -> None:
        """Let blocks come until all that was pushed is final."""
        await self.proxy.ask("anvil_mine", _BLOCKS_TO_BE_FINAL)

        def all_are_final() -> bool:
            log = program.log.read_text()
            return log.count('"push_final"') == log.count('"push_confirmed"')

        await _until(all_are_final, program)


async def _until(condition: Callable[[], bool], program: programs.Program) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not condition():
            program.check()
            await asyncio.sleep(0.01)


@asynccontextmanager
async def devnet() -> AsyncIterator[Devnet]:
    """All of it, with prices that stand still until told to jump."""
    binary = await ensure_anvil(announce=lambda text: print(text, file=sys.stderr))
    hermes = HermesSimulator(SimulatorConfig(feeds=FEEDS, volatility_ppm=0))
    async with Anvil(binary) as anvil, CountingProxy(anvil.url) as proxy:
        pool = RpcPool([transport("anvil", anvil.url)], clock=SystemClock())
        terms = ContractTerms(signers=hermes.signers, quorum=hermes.quorum, update_fee=FEE_PER_MESSAGE)
        await place_multicall(pool)
        contract = await deploy_contract(pool, signer=RawKeySigner(DEV_PRIVATE_KEY), terms=terms)
        await pool.close()
        await hermes.start()
        try:
            yield Devnet(hermes, proxy, contract)
        finally:
            await hermes.stop()
