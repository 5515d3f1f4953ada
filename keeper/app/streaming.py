"""The event streams, as they are set."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import Never

from aiohttp import web
from prometheus_client import CollectorRegistry

from keeper.app.redaction import Redactor
from keeper.app.settings import Settings
from keeper.app.supervising import going_on
from keeper.domain.events import Event
from keeper.domain.units import FeedId
from keeper.ports import Clock, Observed
from keeper.server.streams.broadcast import Broadcast, Limits
from keeper.server.streams.health import StreamMetrics
from keeper.server.streams.hub import Buffers
from keeper.server.streams.listener import Kind
from keeper.server.streams.routes import stream_routes
from keeper.server.streams.watch import Watch
from keeper.server.streams.wire import Wire

_BOOT_BYTES = 4


class Streaming:
    """All of it, or nothing where it is not wanted."""

    def __init__(self, settings: Settings, clock: Clock, registry: CollectorRegistry, redactor: Redactor) -> None:
        self._settings = settings
        self._clock = clock
        self._wire = Wire(settings.aliases)
        self._broadcast = self._made(redactor) if settings.enable_event_streaming else None
        if self._broadcast is not None:
            registry.register(StreamMetrics(self._broadcast))

    @property
    def listeners(self) -> tuple[Callable[[Event], None], ...]:
        """Whoever is to be told of every event."""
        return () if self._broadcast is None else (self._broadcast,)

    def rename(self, aliases: Mapping[FeedId, str]) -> None:
        """Call feeds so from now on."""
        self._wire.rename(aliases)

    def routes(self, observed: Observed) -> list[web.RouteDef]:
        """For the server."""
        offered = {Kind.SSE: self._settings.enable_sse, Kind.WEBSOCKET: self._settings.enable_websocket}
        ways = frozenset(kind for kind, wanted in offered.items() if wanted)
        return stream_routes(self._broadcast, observed, ways=ways, origins=self._settings.cors_origins or ())

    def close(self) -> None:
        """Whoever listens has to go."""
        if self._broadcast is not None:
            self._broadcast.close()

    async def run(self, observed: Observed) -> Never:
        """Tell what happens and what is seen; for ever, and doing nothing where it is not wanted."""
        if self._broadcast is None:
            await asyncio.Event().wait()
            raise AssertionError
        broadcast = self._broadcast
        watch = Watch(observed, broadcast, looks_at_feeds=lambda: broadcast.looks_at_feeds, clock=self._clock)

        async def both() -> Never:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(broadcast.run(), name="broadcast")
                tasks.create_task(watch.run(), name="watch")
            raise AssertionError

        await going_on("event streams", both)

    def _made(self, redactor: Redactor) -> Broadcast:
        settings = self._settings
        limits = Limits(
            {Kind.SSE: settings.max_sse_connections, Kind.WEBSOCKET: settings.max_websocket_connections},
            Buffers(settings.events_high_buffer, settings.events_medium_buffer, settings.events_low_buffer),
        )
        return Broadcast(
            boot=secrets.token_hex(_BOOT_BYTES),
            wire=self._wire,
            limits=limits,
            clock=self._clock,
            clean=redactor.clean,
        )
