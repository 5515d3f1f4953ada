"""Requests, gas and fees on a real chain: Anvil, our contract, the Hermes simulator, and `keeper run` between them."""

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp import web

from bench import programs
from bench.tables import median, table
from keeper.app.clock import SystemClock
from keeper.domain.units import WEI_PER_GWEI, Wei
from keeper.evm.rpc import RpcPool, transport
from keeper.lab.anvil import DEV_PRIVATE_KEY, Anvil
from keeper.lab.anvil_install import ensure_anvil
from keeper.lab.contract import ContractTerms, deploy_contract
from keeper.lab.hermes import HermesSimulator, SimulatorConfig
from keeper.signing.raw_key import RawKeySigner

FEEDS = 10
FEE_PER_MESSAGE = Wei(2 * 10**15)
"""0.002 coins."""
WEI_PER_COIN = 10**18

_POLLS_PER_MINUTE = 0.2
"""`MONITORING_INTERVAL_MS` is five minutes by default."""
_POLL = "eth_getBlockByNumber"
"""Only a poll asks this."""
_RECEIPT = "eth_getTransactionReceipt"
_PATIENCE_S = 30.0
_NEXT_SECOND_S = 1.05
"""Publish times are whole seconds: a push that follows sooner would have nothing newer to send."""
_SETTLE_S = 0.3
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


@dataclass(slots=True)
class Seen:
    """What a keeper did on the chain."""

    pushes: list[Push] = field(default_factory=list)
    while_pushing: Counter[str] = field(default_factory=Counter)
    while_polling: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Devnet:
    """A chain with a contract, a source of prices, and what passes between the chain and the keeper."""

    hermes: HermesSimulator
    proxy: CountingProxy
    contract: str

    async def watch(self, *, early_update: str, pushes: int, poll_s: int) -> Seen:
        """Run a keeper, and let one feed after the other jump by 1%; with `poll_s`, wait for a poll after that."""
        seen, proxy = Seen(), self.proxy
        symbols = [feed["symbol"] for feed in self.hermes.state()["feeds"]]
        poll_ms = (poll_s or _NEVER_S) * _MS
        with (
            tempfile.TemporaryDirectory() as folder,
            programs.keeper(
                Path(folder),
                rpc=proxy.address,
                hermes=urlsplit(self.hermes.url).netloc,
                feeds=self.hermes.feed_ids,
                contract=self.contract,
                EARLY_UPDATE=early_update,
                MONITORING_INTERVAL_MS=str(poll_ms),
            ) as keeper,
        ):
            asked = proxy.methods["eth_estimateGas"]
            await _until(lambda: proxy.methods["eth_estimateGas"] > asked, keeper)
            await asyncio.sleep(_NEXT_SECOND_S)  # the first keeper pushes what was never pushed
            await self._push(symbols[-1], keeper)
            before = proxy.methods.copy()
            for number in range(pushes):
                seen.pushes.append(await self._push(symbols[number % FEEDS], keeper))
            seen.while_pushing = proxy.methods - before
            if poll_s:
                before = proxy.methods.copy()
                await _until(lambda: proxy.methods[_POLL] > before[_POLL], keeper)
                await asyncio.sleep(_SETTLE_S)
                seen.while_polling = proxy.methods - before
        return seen

    async def _push(self, symbol: str, keeper: programs.Program) -> Push:
        """Let a feed jump; the push that follows."""
        receipts = self.proxy.receipts
        known = len(receipts)
        self.hermes.publisher.jump(symbol, percent=Decimal(1))
        await _until(lambda: len(receipts) > known, keeper)
        await asyncio.sleep(_NEXT_SECOND_S)
        tx_hash, receipt = list(receipts.items())[-1]
        sent = await self.proxy.ask("eth_getTransactionByHash", tx_hash)
        return Push(gas=int(receipt["gasUsed"], 16), feeds=len(receipt["logs"]), fee=int(sent["value"], 16))


async def _until(condition: Callable[[], bool], keeper: programs.Program) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not condition():
            keeper.check()
            await asyncio.sleep(0.01)


@asynccontextmanager
async def devnet() -> AsyncIterator[Devnet]:
    """All of it, with prices that stand still until told to jump."""
    binary = await ensure_anvil(announce=lambda text: print(text, file=sys.stderr))
    hermes = HermesSimulator(SimulatorConfig(feeds=FEEDS, volatility_ppm=0))
    async with Anvil(binary) as anvil, CountingProxy(anvil.url) as proxy:
        pool = RpcPool([transport("anvil", anvil.url)], clock=SystemClock())
        terms = ContractTerms(signers=hermes.signers, quorum=hermes.quorum, update_fee=FEE_PER_MESSAGE)
        contract = await deploy_contract(pool, signer=RawKeySigner(DEV_PRIVATE_KEY), terms=terms)
        await pool.close()
        await hermes.start()
        try:
            yield Devnet(hermes, proxy, contract)
        finally:
            await hermes.stop()


async def requests_table(*, pushes: int, poll_s: int) -> str:
    """JSON-RPC requests by method; a poll comes after `poll_s` seconds."""
    async with devnet() as net:
        seen = await net.watch(early_update="cheaper", pushes=pushes, poll_s=poll_s)
    polls = seen.while_polling[_POLL]
    rows = [
        _requests_row(f"`{method}`", seen.while_pushing[method] / pushes, seen.while_polling[method] / polls)
        for method in sorted(seen.while_pushing | seen.while_polling)
    ]
    rows.append(_requests_row("all", seen.while_pushing.total() / pushes, seen.while_polling.total() / polls))
    return table(("Method", "Per push", "Per poll", "Per idle minute"), rows)


def _requests_row(name: str, per_push: float, per_poll: float) -> tuple[str, ...]:
    return name, f"{per_push:g}", f"{per_poll:g}", f"{per_poll * _POLLS_PER_MINUTE:g}"


async def gas_table(*, pushes: int) -> str:
    """Gas and fees of a push for one feed that is due, sliced out of the update and not."""
    async with devnet() as net:
        sliced = await net.watch(early_update="cheaper", pushes=pushes, poll_s=0)
        whole = await net.watch(early_update="always", pushes=pushes, poll_s=0)
    names = ("only the due feed, sliced out", "all feeds, as they came")
    rows = [_gas_row(name, seen) for name, seen in zip(names, (sliced, whole), strict=True)]
    return table(("One feed due of 10; sent", "Feeds written", "Gas", "Update fee", "Total at 1 gwei"), rows)


def _gas_row(name: str, seen: Seen) -> tuple[str, ...]:
    gas, feeds = median([push.gas for push in seen.pushes]), median([push.feeds for push in seen.pushes])
    fee = median([push.fee for push in seen.pushes]) / WEI_PER_COIN
    return name, f"{feeds:g}", f"{gas:,.0f}", f"{fee:g} coins", f"{fee + gas * WEI_PER_GWEI / WEI_PER_COIN:.5f} coins"
