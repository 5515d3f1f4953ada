"""Who may hold a connection: so many, and only those that get to the point."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler

ProtocolFactory: TypeAlias = Callable[[], asyncio.Protocol]


@dataclass(frozen=True, slots=True)
class Patience:
    """What clients are given."""

    headers_s: float = 10.0
    """From the connection to the end of the first request's headers."""
    body_s: float = 10.0
    keepalive_s: float = 30.0
    """From one request to the end of the next one's headers."""
    connections: int = 1000
    """At once; further ones are closed."""


class Gate:
    """Puts a guard before the protocol of each connection: aiohttp by itself waits for headers for ever."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._guards: dict[asyncio.BaseTransport, _Guard] = {}

    def guarding(self, make: ProtocolFactory) -> ProtocolFactory:
        """The same protocols, guarded."""
        return lambda: _Guard(make(), self._guards, self._patience)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The headers are here; a body must follow in time."""
        if request.transport is not None and (guard := self._guards.get(request.transport)):
            guard.relax()
        if request.can_read_body and request.headers.get("Upgrade") is None:
            try:
                async with asyncio.timeout(self._patience.body_s):
                    await request.read()
            except TimeoutError:
                raise web.HTTPRequestTimeout from None
        return await handler(request)


class _Guard(asyncio.Protocol):
    """Passes everything on to the protocol behind it, and closes connections that say nothing or are too many."""

    def __init__(
        self, behind: asyncio.Protocol, guards: "dict[asyncio.BaseTransport, _Guard]", patience: Patience
    ) -> None:
        self._behind = behind
        self._guards = guards
        self._patience = patience
        self._transport: asyncio.BaseTransport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it at once where there are too many."""
        self._transport = transport
        too_many = len(self._guards) >= self._patience.connections
        self._guards[transport] = self
        self._behind.connection_made(transport)
        if too_many:
            transport.close()
        else:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(self._patience.headers_s, transport.close)

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        self._behind.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self._behind.eof_received()

    def pause_writing(self) -> None:
        """Pass it on."""
        self._behind.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._behind.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.relax()
        if self._transport is not None:
            self._guards.pop(self._transport, None)
        self._behind.connection_lost(exc)

    def relax(self) -> None:
        """A request has come: aiohttp looks after the connection from now on."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
