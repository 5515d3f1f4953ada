"""The keeper's real routes on a real port, with a state that the test sets, and events that it plays."""

import asyncio
import json
from dataclasses import replace
from typing import Any, Self

from aiohttp import web

from keeper.domain.price import Price
from keeper.domain.status import FeedStatus, KeeperStatus
from keeper.server import live_page, overview
from keeper.server.app import Server
from keeper.server.decimals import decimal_text
from keeper.server.event_metrics import EventMetrics
from keeper.server.feeds import FeedRoutes
from tests.support.ports import free_port
from tests.support.status import KEEPER, NETWORK, Watched

HOST = "127.0.0.1"


class Stage:
    """What the page is served by."""

    def __init__(self) -> None:
        self.watched = Watched()
        self.port = free_port()
        self.streams = True
        """Whether there is a stream of events."""
        self._listeners: set[web.StreamResponse] = set()
        self.boot = "boot"
        """What the ids of its frames begin with."""
        self._sent = 0
        self._ended = asyncio.Event()
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def listeners(self) -> int:
        """How many pages follow the stream."""
        return len(self._listeners)

    def show(self, *feeds: FeedStatus, **changes: Any) -> KeeperStatus:
        """Have one network with these feeds."""
        network = replace(NETWORK, feeds=feeds or NETWORK.feeds, **changes)
        self.watched.current = replace(KEEPER, networks=(network,))
        return self.watched.current

    async def start(self) -> None:
        routes = [
            *overview.routes(self.watched, EventMetrics()),
            *FeedRoutes(self.watched).routes(),
            *live_page.routes(),
            *([web.get("/v1/sse/events", self._stream)] if self.streams else []),
        ]
        self._ended.clear()
        self._server = Server(routes, host=HOST, port=self.port)
        await self._server.start()

    async def stop(self) -> None:
        self._ended.set()
        if self._server is not None:
            await self._server.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def play(self, kind: str, **fields: Any) -> None:
        """Send one event to whoever follows."""
        await self.play_all([(kind, fields)])

    async def play_all(self, frames: list[tuple[str, dict[str, Any]]]) -> None:
        """Send several in one piece."""
        text = "".join(self._frame(kind, fields) for kind, fields in frames)
        for listener in list(self._listeners):
            await listener.write(text.encode())

    def _frame(self, kind: str, fields: dict[str, Any]) -> str:
        self._sent += 1
        frame = {"id": f"{self.boot}-{self._sent}", "type": kind, "at": self.watched.current.now, **fields}
        return f"id: {frame['id']}\nevent: {kind}\ndata: {json.dumps(frame)}\n\n"

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if "last" in request.query:
            return response
        await response.write(
            self._frame("hello", {"boot": self.boot, "newest": "", "whole": True, "missed": []}).encode()
        )
        self._listeners.add(response)
        try:
            await self._ended.wait()
        finally:
            self._listeners.discard(response)
        return response


def shown(price: Price) -> dict[str, Any]:
    """A price as events tell it."""
    return {**price._asdict(), "price": str(price.price), "conf": str(price.conf), "value": decimal_text(*price[::2])}
