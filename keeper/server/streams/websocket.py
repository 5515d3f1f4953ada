"""GET /v1/ws/events: the same frames over a WebSocket."""

import asyncio
from contextlib import suppress

from aiohttp import WSCloseCode, web

from keeper.domain.errors import UsageError
from keeper.ports import Observed
from keeper.server.errors import json_response
from keeper.server.streams.asking import Asked, full, is_foreign, refused, transport_of
from keeper.server.streams.broadcast import Broadcast, Full
from keeper.server.streams.listener import HEARTBEAT_S, Kind, Listener

_MOST_BYTES = 4096
"""Of what a client says, which nobody heeds."""
_CLOSE_WITHIN_S = 0.5


class WebSockets:
    """The route."""

    def __init__(self, broadcast: Broadcast, observed: Observed, *, origins: tuple[str, ...]) -> None:
        """`origins`: whose pages may listen, beside our own."""
        self._broadcast = broadcast
        self._observed = observed
        self._origins = origins

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """Until the client leaves, is cut off, or the keeper ends."""
        if is_foreign(request, self._origins):
            return json_response({"error": "pages of this origin may not listen: see CORS_ORIGINS"}, status=403)
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S, compress=False, max_msg_size=_MOST_BYTES, timeout=_CLOSE_WITHIN_S
        )
        if not socket.can_prepare(request):
            return json_response({"error": "a WebSocket is wanted: for plain HTTP there is /v1/sse/events"}, status=426)
        try:
            asked = Asked(request, self._observed)
            with self._broadcast.place(Kind.WEBSOCKET), suppress(ConnectionError):  # it may leave before it is greeted
                await self._stream(request, socket, asked)
        except UsageError as exc:
            return refused(exc)
        except Full:
            return full(self._broadcast.limits.clients[Kind.WEBSOCKET])
        return socket

    async def _stream(self, request: web.Request, socket: web.WebSocketResponse, asked: Asked) -> None:
        await socket.prepare(request)
        transport = transport_of(request)
        with self._broadcast.joined(Kind.WEBSOCKET, transport, asked.wanted, asked.since, asked.last) as listener:
            reading = asyncio.create_task(_read(socket, listener), name="read websocket")
            try:
                await listener.gone
                await socket.close(code=WSCloseCode.GOING_AWAY)
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)


async def _read(socket: web.WebSocketResponse, listener: Listener) -> None:
    """Answers pings, and learns that the client has left; what it says is not heeded."""
    try:
        async for _ in socket:
            pass
    finally:
        listener.leave()
