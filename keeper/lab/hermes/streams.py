"""One connected stream: a bounded buffer between the slots and the consumer's socket."""

import asyncio
import contextlib
import socket
import struct
from typing import Any, NamedTuple

from aiohttp import web

from keeper.lab.hermes.queries import PriceQuery
from keeper.lab.hermes.wire import CONNECTION_TIMEOUT, KEEPALIVE, SLOW_CONSUMER, error_event

_FAREWELL_S = 5.0
"""How long a consumer may take to read the last frame before its connection is cut."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _Frame(NamedTuple):
    due: float
    content: bytes


class Stream:
    """A consumer's connection; overflowing its buffer disconnects it, and nobody else."""

    def __init__(self, query: PriceQuery, request: web.Request, *, buffer_events: int) -> None:
        self.query = query
        self._request = request
        self._frames: asyncio.Queue[_Frame] = asyncio.Queue(buffer_events)
        self._farewell: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def offer(self, content: bytes, *, delay_ms: int = 0) -> None:
        """Buffer a frame for the consumer, to be sent no sooner than `delay_ms` from now."""
        due = asyncio.get_running_loop().time() + delay_ms / 1000
        try:
            self._frames.put_nowait(_Frame(due, content))
        except asyncio.QueueFull:
            self.end(error_event(SLOW_CONSUMER))

    def end(self, farewell: bytes = b"") -> None:
        """Discard what is buffered, send this last frame, close cleanly."""
        if not self._farewell.done():
            self._farewell.set_result(farewell)

    def reset(self) -> None:
        """Cut the connection with a TCP reset."""
        reset_connection(self._request)
        self.end()

    async def serve(self, *, keepalive_s: float, max_connection_s: float) -> web.StreamResponse:
        """Answer the request with events until either side ends it."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(self._request)
        timeout = asyncio.get_running_loop().call_later(max_connection_s, self.end, error_event(CONNECTION_TIMEOUT))
        sender = asyncio.create_task(self._send(response, keepalive_s=keepalive_s), name="hermes-simulator-stream")
        try:
            ends: set[asyncio.Future[Any]] = {sender, self._farewell}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timeout.cancel()
            sender.cancel()
        if sender.done():
            sender.result()
        await self._part(response)
        return response

    async def _send(self, response: web.StreamResponse, *, keepalive_s: float) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while True:
                frame = await self._next_frame(keepalive_s)
                await asyncio.sleep(frame.due - loop.time())
                await response.write(frame.content)

    async def _next_frame(self, keepalive_s: float) -> _Frame:
        try:
            async with asyncio.timeout(keepalive_s):
                return await self._frames.get()
        except TimeoutError:
            return _Frame(0.0, KEEPALIVE)

    async def _part(self, response: web.StreamResponse) -> None:
        """Send the last frame and close; a consumer that does not even read that is cut off."""
        response.force_close()
        farewell = self._farewell.result() if self._farewell.done() else b""
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await response.write(farewell)
                await response.write_eof()
        except TimeoutError:
            reset_connection(self._request)
        except ConnectionError:
            return


def reset_connection(request: web.Request) -> None:
    """Close a request's connection with a TCP reset, at once."""
    if request.transport is not None:
        connection: socket.socket = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        request.transport.abort()
