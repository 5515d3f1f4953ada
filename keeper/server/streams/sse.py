"""GET /v1/sse/events: server-sent events, which browsers resume by themselves."""

from contextlib import suppress

from aiohttp import HttpVersion11, hdrs, web

from keeper.domain.errors import UsageError
from keeper.ports import Observed
from keeper.server.errors import json_response
from keeper.server.streams.asking import Asked, full, refused, transport_of
from keeper.server.streams.broadcast import Broadcast, Full
from keeper.server.streams.listener import Kind

_HEADERS = {hdrs.CONTENT_TYPE: "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
_OLD_HTTP = "a stream needs HTTP/1.1: a proxy in between may have to be told so (nginx: proxy_http_version 1.1)"
_RETRY = b"retry: 1000\n\n"
"""Whoever loses the stream comes back after a second."""


class ServerSentEvents:
    """The route."""

    def __init__(self, broadcast: Broadcast, observed: Observed) -> None:
        self._broadcast = broadcast
        self._observed = observed

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """Until the client leaves, is cut off, or the keeper ends."""
        if request.version < HttpVersion11:
            return json_response({"error": _OLD_HTTP}, status=505)
        try:
            asked = Asked(request, self._observed)
            with self._broadcast.place(Kind.SSE):
                return await self._stream(request, asked)
        except UsageError as exc:
            return refused(exc)
        except Full:
            return full(self._broadcast.limits.clients[Kind.SSE])

    async def _stream(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        response = web.StreamResponse(headers=_HEADERS)
        response.enable_chunked_encoding()
        with suppress(ConnectionError):  # it may leave before it is greeted
            await response.prepare(request)
            await response.write(_RETRY)
            transport = transport_of(request)
            with self._broadcast.joined(Kind.SSE, transport, asked.wanted, asked.since, asked.last) as listener:
                await listener.gone
        return response
