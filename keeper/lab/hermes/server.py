"""The routes of Hermes v2, and the control route."""

import asyncio
from collections import Counter
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from keeper.domain.errors import UsageError
from keeper.domain.nesting import refuse_deep_nesting
from keeper.lab.hermes.access import authorize, refuse, throttle
from keeper.lab.hermes.config import SimulatorConfig
from keeper.lab.hermes.control import parse_action
from keeper.lab.hermes.publisher import Publisher
from keeper.lab.hermes.queries import feed_filter, price_query
from keeper.lab.hermes.streams import Stream
from keeper.lab.hermes.wire import price_feeds

_STREAM = "/v2/updates/price/stream"
_LATEST = "/v2/updates/price/latest"
_PRICE_FEEDS = "/v2/price_feeds"
_CONTROL = "/control"
_COUNTED = {_STREAM: "stream", _LATEST: "latest", _PRICE_FEEDS: "price_feeds"}


class HermesRoutes:
    """Answers HTTP requests from what the publisher has."""

    def __init__(self, publisher: Publisher, config: SimulatorConfig) -> None:
        self._publisher = publisher
        self._config = config
        self._requests = Counter(dict.fromkeys(_COUNTED.values(), 0))

    def application(self) -> web.Application:
        """The routes as an aiohttp application."""
        application = web.Application(middlewares=[self._gate])
        application.router.add_get(_STREAM, self._stream)
        application.router.add_get(_LATEST, self._latest)
        application.router.add_get(_PRICE_FEEDS, self._price_feeds)
        application.router.add_get(_CONTROL, self._state)
        application.router.add_post(_CONTROL, self._control)
        return application

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let the control route through, and of the others what the faults let through."""
        if request.path in _COUNTED:
            self._requests[_COUNTED[request.path]] += 1
            refuse(request, self._publisher.faults, is_stream=request.path == _STREAM)
            throttle(request, self._publisher.faults, now=asyncio.get_running_loop().time())
        return await handler(request)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        authorize(request, self._publisher.faults)
        query = price_query(request.query, self._publisher.market)
        stream = Stream(query, request, buffer_events=self._config.buffer_events)
        self._publisher.streams.add(stream)
        try:
            return await stream.serve(
                keepalive_s=self._config.keepalive_s, max_connection_s=self._config.max_connection_s
            )
        finally:
            self._publisher.streams.discard(stream)

    async def _latest(self, request: web.Request) -> web.Response:
        authorize(request, self._publisher.faults)
        query = price_query(request.query, self._publisher.market)
        answer = _json(self._publisher.latest(query))
        await asyncio.sleep(self._publisher.faults.latest_delay_ms / 1000)
        return answer

    async def _price_feeds(self, request: web.Request) -> web.Response:
        listed = feed_filter(request.query)
        feeds = [state.feed for state in self._publisher.market.feeds if not state.removed]
        return _json(price_feeds([feed for feed in feeds if listed(feed)]))

    async def _state(self, _request: web.Request) -> web.Response:
        return _json(msgspec.json.encode(self.state()))

    async def _control(self, request: web.Request) -> web.Response:
        try:
            parse_action(_decoded(await request.read())).apply(self._publisher)
        except UsageError as exc:
            raise web.HTTPBadRequest(text=str(exc)) from exc
        return _json(msgspec.json.encode(self.state()))

    def state(self) -> dict[str, Any]:
        """What is connected, asked for, wrong and priced just now, in JSON's terms."""
        publisher = self._publisher
        return {
            "slot": publisher.slot,
            "streams": len(publisher.streams),
            "requests": dict(self._requests),
            "faults": publisher.faults.as_json(),
            "feeds": [state.as_json() for state in publisher.market.feeds],
        }


def _decoded(body: bytes) -> object:
    try:
        refuse_deep_nesting(body)
        return msgspec.json.decode(body)
    except ValueError as exc:
        raise UsageError(f"the request is not JSON: {exc}") from exc


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")
