"""Stands between a keeper and its node, over HTTP and WebSocket, and counts what passes."""

import asyncio
from collections import Counter
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec
from aiohttp import WSMsgType, web

_HOST = "127.0.0.1"
_LARGEST = 2**24
_LAST_ANSWER_S = 0.1


class CountingProxy:
    """In front of the node at these URLs, inside an `async with`."""

    def __init__(self, *, url: str, ws_url: str) -> None:
        self.methods: Counter[str] = Counter()
        """JSON-RPC requests by method; those of a batch one by one."""
        self.notifications = 0
        self._upstream = url
        self._ws_upstream = ws_url
        self._sockets: set[web.WebSocketResponse] = set()
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_post("/", self._post)
        app.router.add_get("/", self._socket)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_LAST_ANSWER_S)

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        await self._runner.setup()
        await web.TCPSite(self._runner, _HOST, 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(socket.close() for socket in self._sockets))
        await self._runner.cleanup()
        await self._http.close()

    @property
    def url(self) -> str:
        """JSON-RPC over HTTP."""
        return f"http://{_HOST}:{self._port}"

    @property
    def ws_url(self) -> str:
        """JSON-RPC over WebSocket."""
        return f"ws://{_HOST}:{self._port}"

    @property
    def _port(self) -> int:
        return int(self._runner.addresses[0][1])

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._count(body)
        async with self._http.post(self._upstream, data=body, headers={"Content-Type": "application/json"}) as answer:
            return web.Response(body=await answer.read(), content_type="application/json")

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        client = web.WebSocketResponse(max_msg_size=_LARGEST)
        await client.prepare(request)
        self._sockets.add(client)
        async with self._http.ws_connect(self._ws_upstream, max_msg_size=_LARGEST) as node:
            back = asyncio.create_task(self._bring_back(node, client), name="counting proxy")
            try:
                async for message in client:
                    if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                        self._count(message.data)
                        await node.send_str(_text(message.data))
            finally:
                back.cancel()
                self._sockets.discard(client)
        return client

    async def _bring_back(self, node: aiohttp.ClientWebSocketResponse, client: web.WebSocketResponse) -> None:
        async for message in node:
            if message.type is WSMsgType.TEXT:
                self.notifications += '"eth_subscription"' in message.data
                await client.send_str(message.data)

    def _count(self, body: bytes | str) -> None:
        message: Any = msgspec.json.decode(body)
        self.methods.update(call["method"] for call in (message if isinstance(message, list) else [message]))


def _text(data: bytes | str) -> str:
    return data if isinstance(data, str) else data.decode()
