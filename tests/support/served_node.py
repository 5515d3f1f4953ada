"""A scripted node on loopback, over HTTP and WebSocket, at a URL that holds a key."""

import asyncio
from types import TracebackType
from typing import Self

from aiohttp import WSMsgType, web

from tests.support.ports import free_port
from tests.support.scripted_node import RETRY_AFTER_S, Fault, ScriptedNode

KEY = "f3c9-secret-key-8a1d"

_HOST = "127.0.0.1"
_STATUSES = {Fault.BREAKS: 500, Fault.THROTTLES: 429, Fault.LOCKS_OUT: 401}


class ServedNode:
    """Serves the node inside an `async with`; may be stopped and started again at the same port."""

    def __init__(self, node: ScriptedNode, *, greeting: str = "") -> None:
        self._node = node
        self._greeting = greeting
        """Sent to whoever opens a WebSocket."""
        self._port = free_port()
        self._runner: web.AppRunner | None = None
        self._stopping = asyncio.Event()

    @property
    def http_url(self) -> str:
        """With a key in the path."""
        return f"http://{_HOST}:{self._port}/v1/{KEY}"

    @property
    def ws_url(self) -> str:
        """With a key in the path."""
        return f"ws://{_HOST}:{self._port}/v1/{KEY}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen."""
        self._stopping.clear()
        app = web.Application(client_max_size=2**24)
        app.router.add_post(f"/v1/{KEY}", self._post)
        app.router.add_get(f"/v1/{KEY}", self._socket)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, _HOST, self._port).start()

    async def stop(self) -> None:
        """Refuse connections and end those that are open."""
        if self._runner is not None:
            self._stopping.set()
            await self._runner.cleanup()
            self._runner = None

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if refusal := self._refusal():
            return refusal
        fault = self._node.failing
        answer = self._node.answer(body)
        if fault is Fault.HANGS:
            await self._stopping.wait()
        if fault is Fault.CUTS and request.transport is not None:
            request.transport.abort()
        return web.Response(body=answer, content_type="application/json", status=self._node.http_status)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refusal():
            return refusal
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        if self._greeting:
            await socket.send_str(self._greeting)
        outbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._node.audience.append(outbox.put_nowait)
        teller = asyncio.create_task(_send_all(outbox, socket), name="scripted node notifications")
        reader = asyncio.create_task(self._answer_all(request, socket), name="scripted node socket")
        stopped = asyncio.create_task(self._stopping.wait(), name="scripted node stop")
        await asyncio.wait([reader, stopped], return_when=asyncio.FIRST_COMPLETED)
        self._node.audience.remove(outbox.put_nowait)
        stopped.cancel()
        teller.cancel()
        await socket.close()
        await reader
        return socket

    async def _answer_all(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            fault = self._node.failing
            answer = self._node.answer(message.data.encode())
            if fault is Fault.CUTS and request.transport is not None:
                request.transport.abort()
            elif fault is not Fault.HANGS:
                await socket.send_str(answer.decode())

    def _refusal(self) -> web.Response | None:
        status = _STATUSES.get(self._node.failing)
        if status is None:
            return None
        return web.Response(status=status, headers={"Retry-After": str(RETRY_AFTER_S)}, text="no")


async def _send_all(outbox: asyncio.Queue[bytes], socket: web.WebSocketResponse) -> None:
    while not socket.closed:
        await socket.send_str((await outbox.get()).decode())
