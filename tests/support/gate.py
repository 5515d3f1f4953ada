"""An RPC endpoint in front of a real node that holds up what is broadcast, at either side of the node."""

import asyncio
import json
import time
from enum import Enum, auto
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

_BROADCAST = b'"eth_sendRawTransaction"'
_HOST = "127.0.0.1"
_JSON = {"Content-Type": "application/json"}


class Hold(Enum):
    """Where a broadcast stops, for good."""

    NOTHING = auto()
    REQUEST = auto()
    """Before the node: it never hears of the transaction."""
    ANSWER = auto()
    """Behind the node: it has decided, and the sender never hears of it."""


class Gate:
    """In front of the node at `upstream`, inside an `async with`."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._ended = asyncio.Event()
        self.hold = Hold.NOTHING
        self.held = 0
        """Broadcasts that were held up."""
        self.heard: list[tuple[float, str]] = []
        """All that came: Unix seconds, and the signed transaction in hex."""

    @property
    def broadcasts(self) -> int:
        """How many came."""
        return len(self.heard)

    @property
    def url(self) -> str:
        """JSON-RPC over HTTP."""
        return f"http://{_HOST}:{self._runner.addresses[0][1]}"

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession()
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/", self._post)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, _HOST, 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        await self._runner.cleanup()
        await self._client.close()

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.read()
        is_broadcast = _BROADCAST in body
        if is_broadcast:
            self.heard.append((time.time(), json.loads(body)["params"][0]))
        if is_broadcast and self.hold is Hold.REQUEST:
            return await self._hold_up()
        async with self._client.post(self._upstream, data=body, headers=_JSON) as response:
            answer = await response.read()
        if is_broadcast and self.hold is Hold.ANSWER:
            return await self._hold_up()
        return web.Response(body=answer, headers=_JSON)

    async def _hold_up(self) -> web.Response:
        self.held += 1
        await self._ended.wait()
        return web.Response(status=503)
