"""An RPC endpoint in front of a real node that passes most things on: it errs, lies and forgets as it is told."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web
from eth_hash.auto import keccak

from tests.support.ports import free_port
from tests.support.served_node import KEY

_HOST = "127.0.0.1"
_LAST_ANSWER_S = 0.1
"""For an answer that is due when the connection is to be ended."""


class Ill(Enum):
    """What is wrong with it."""

    NOTHING = auto()
    REFUSES = auto()
    """Nobody listens."""
    HANGS = auto()
    """It takes requests, passes them on, and never answers."""
    BREAKS = auto()
    """HTTP 500, and nothing is passed on."""
    THROTTLES = auto()
    """HTTP 429 with Retry-After, and nothing is passed on."""
    WRONG_CHAIN = auto()
    """It serves chain 1."""
    LAGS = auto()
    """It knows no block that came after it fell ill."""
    SWALLOWS = auto()
    """It accepts transactions, and forgets them."""
    LIES = auto()
    """It tells a nonce that is too high by ten."""


@dataclass
class Relay:
    """In front of the node at `upstream`, inside an `async with`; at a URL that holds a key."""

    upstream: str
    retry_after_s: int = 1
    requests: list[str] = field(default_factory=list)
    """Methods it was asked for."""

    def __post_init__(self) -> None:
        self._ill = Ill.NOTHING
        self._port = free_port()
        self._frozen_at = 0
        self._runner: web.AppRunner | None = None
        self._well = asyncio.Event()
        self._well.set()

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self._port}/{KEY}"

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession()
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()
        await self._client.close()

    async def fall(self, ill: Ill) -> None:
        """From now on it is ill."""
        if ill is Ill.LAGS:
            told = await self._ask({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []})
            self._frozen_at = int(told["result"], 16)
        if ill is Ill.REFUSES:
            await self._stop()
        self._ill = ill
        self._well.clear()

    async def heal(self) -> None:
        """From now on it is well."""
        if self._ill is Ill.REFUSES:
            await self._start()
        self._ill = Ill.NOTHING
        self._well.set()

    async def hang_up(self) -> None:
        """End all open connections; new ones are taken as before."""
        if self._runner is not None and self._runner.server is not None:
            await self._runner.server.shutdown(_LAST_ANSWER_S)

    async def _start(self) -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_post(f"/{KEY}", self._post)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_LAST_ANSWER_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, _HOST, self._port).start()

    async def _stop(self) -> None:
        self._well.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _post(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.requests += [each["method"] for each in (asked if isinstance(asked, list) else [asked])]
        match self._ill:
            case Ill.BREAKS:
                return web.Response(status=500, text="upstream connect error")
            case Ill.THROTTLES:
                return web.Response(status=429, headers={"Retry-After": str(self.retry_after_s)})
            case Ill.HANGS:
                await self._answer_all(asked)
                await self._well.wait()
        return web.json_response(await self._answer_all(asked))

    async def _answer_all(self, asked: Any) -> Any:
        if isinstance(asked, list):
            return [await self._answer(each) for each in asked]
        return await self._answer(asked)

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._ill is Ill.SWALLOWS and request["method"] == "eth_sendRawTransaction":
            return {"jsonrpc": "2.0", "id": request["id"], "result": _hash_of(request["params"][0])}
        if self._ill is Ill.LAGS:
            request = _as_of(request, hex(self._frozen_at))
        answer = await self._ask(request)
        return _CHANGES.get((self._ill, request["method"]), _unchanged)(answer, self._frozen_at)

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        async with self._client.post(self.upstream, json=request) as response:
            answer: dict[str, Any] = await response.json()
        return answer


def _as_of(request: dict[str, Any], block: str) -> dict[str, Any]:
    """The same question about an older state."""
    params = [block if each in {"latest", "pending"} else each for each in request["params"]]
    return request | {"params": params}


def _hash_of(raw: str) -> str:
    return "0x" + keccak(bytes.fromhex(raw[2:])).hex()


def _unchanged(answer: dict[str, Any], _: int) -> dict[str, Any]:
    return answer


def _younger_than(number: str | None, frozen_at: int) -> bool:
    return number is not None and int(number, 16) > frozen_at


def _without_receipt(answer: dict[str, Any], frozen_at: int) -> dict[str, Any]:
    receipt = answer.get("result") or {}
    return answer | {"result": None} if _younger_than(receipt.get("blockNumber"), frozen_at) else answer


_CHANGES: dict[tuple[Ill, str], Callable[[dict[str, Any], int], dict[str, Any]]] = {
    (Ill.WRONG_CHAIN, "eth_chainId"): lambda answer, _: answer | {"result": "0x1"},
    (Ill.LAGS, "eth_blockNumber"): lambda answer, frozen_at: answer | {"result": hex(frozen_at)},
    (Ill.LAGS, "eth_getTransactionReceipt"): _without_receipt,
    (Ill.LIES, "eth_getTransactionCount"): lambda answer, _: answer | {"result": hex(int(answer["result"], 16) + 10)},
}
