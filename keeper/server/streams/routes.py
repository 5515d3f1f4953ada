"""The streams as the server offers them."""

import functools

from aiohttp import web

from keeper.ports import Observed
from keeper.server.errors import json_response
from keeper.server.streams.asyncapi import asyncapi
from keeper.server.streams.broadcast import Broadcast
from keeper.server.streams.health import DISABLED, streaming_health
from keeper.server.streams.listener import Kind
from keeper.server.streams.sse import ServerSentEvents
from keeper.server.streams.websocket import WebSockets


def stream_routes(
    broadcast: Broadcast | None, observed: Observed, *, ways: frozenset[Kind], origins: tuple[str, ...]
) -> list[web.RouteDef]:
    """Those of the ways that are offered; without a broadcast only what tells that there is none."""

    async def healthy(_request: web.Request) -> web.Response:
        answer = DISABLED if broadcast is None else streaming_health(broadcast, ways)
        return json_response(answer, status=503 if answer.status == "unhealthy" else 200)

    described = functools.cache(asyncapi)

    async def document(_request: web.Request) -> web.Response:
        return json_response(described())

    routes = [web.get("/v1/health/streaming", healthy)]
    if broadcast is not None:
        routes.append(web.get("/v1/asyncapi.json", document))
        if Kind.SSE in ways:
            routes.append(web.get("/v1/sse/events", ServerSentEvents(broadcast, observed).listen, allow_head=False))
        if Kind.WEBSOCKET in ways:
            sockets = WebSockets(broadcast, observed, origins=origins)
            routes.append(web.get("/v1/ws/events", sockets.listen, allow_head=False))
    return routes
