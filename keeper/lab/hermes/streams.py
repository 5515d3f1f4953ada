"""One connected stream: a bounded buffer between the slots and the consumer's socket."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from aiohttp import web

from keeper.lab.hermes.queries import PriceQuery
from keeper.lab.hermes.wire import CONNECTION_TIMEOUT, KEEPALIVE, SLOW_CONSUMER, error_event

_FAREWELL_S = 2.0
"""How long a consumer may take to read the last frame before its connection is cut."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _Frame(NamedTuple):
    due: float
    content: bytes
    is_last: bool = False


class Stream:
    """A consumer's connection; overflowing its buffer disconnects it, and nobody else."""

    def __init__(self, query: PriceQuery, request: web.Request, *, buffer_events: int) -> None:
        self.query = query
        self._request = request
        self._frames: asyncio.Queue[_Frame] = asyncio.Queue(buffer_events)
        self._ending = asyncio.Event()
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def is_ending(self) -> bool:
        """Whether the server has made up its mind to close the connection."""
        return self._ending.is_set()

    def offer(self, content: bytes, *, delay_ms: int = 0) -> None:
        """Buffer a frame for the consumer, to be sent no sooner than `delay_ms` from now."""
        if self._frames.full():
            self.end(error_event(SLOW_CONSUMER))
        if not self.is_ending:
            due = asyncio.get_running_loop().time() + delay_ms / 1000
            self._frames.put_nowait(_Frame(due, content))

    def end(self, farewell: bytes = b"") -> None:
        """Discard what is buffered, send this last frame and close; a consumer that does not read it is cut off."""
        if self.is_ending:
            return
        self._ending.set()
        self._after(_FAREWELL_S, self.reset)
        while not self._frames.empty():
            self._frames.get_nowait()
        self._frames.put_nowait(_Frame(0.0, farewell, is_last=True))

    def reset(self) -> None:
        """Cut the connection with a TCP reset."""
        reset_connection(self._request)

    async def serve(self, *, keepalive_s: float, max_connection_s: float) -> web.StreamResponse:
        """Answer the request with events until either side ends it."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(self._request)
        self._after(max_connection_s, partial(self.end, error_event(CONNECTION_TIMEOUT)))
        try:
            with contextlib.suppress(ConnectionError):
                await self._send(response, keepalive_s=keepalive_s)
        finally:
            for timer in self._timers:
                timer.cancel()
        return response

    async def _send(self, response: web.StreamResponse, *, keepalive_s: float) -> None:
        while True:
            frame = await self._next_frame(keepalive_s)
            if frame.due > asyncio.get_running_loop().time() and await self._ends_before(frame.due):
                continue
            await response.write(frame.content)
            if frame.is_last:
                response.force_close()
                await response.write_eof()
                return

    async def _next_frame(self, keepalive_s: float) -> _Frame:
        try:
            async with asyncio.timeout(keepalive_s):
                return await self._frames.get()
        except TimeoutError:
            return _Frame(0.0, KEEPALIVE)

    async def _ends_before(self, due: float) -> bool:
        """Wait until then, or until the stream is to end; whether it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await self._ending.wait()
        return self.is_ending

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, action))


def reset_connection(request: web.Request) -> None:
    """Close a request's connection with a TCP reset, at once."""
    if request.transport is not None:
        connection: socket.socket = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        request.transport.abort()
