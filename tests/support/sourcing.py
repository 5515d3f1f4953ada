"""A Hermes source at work over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

from aiohttp import ClientSession, web

from keeper.app.clock import SystemClock
from keeper.domain.events import Event
from keeper.domain.status import SourceState, SourceStatus
from keeper.domain.units import FeedId
from keeper.hermes import HermesConfig, HermesMode, HermesSource, HermesSources
from keeper.ports import PriceEvent, PriceSource
from tests.support.waiting import wait_until

AnyEvent = TypeVar("AnyEvent", bound=Event)


@dataclass
class Sourcing:
    """The source, what it delivered and what it told."""

    source: PriceSource
    ticks: Callable[[], int] = int
    """Slots made so far by the server that is to be heard: on a busy machine it is late as well."""
    delivered: list[tuple[int, PriceEvent]] = field(default_factory=list)
    """With the ticks at each delivery."""
    events: list[Event] = field(default_factory=list)

    def deliver(self, event: PriceEvent) -> None:
        self.delivered.append((self.ticks(), event))

    def told(self, kind: type[AnyEvent]) -> list[AnyEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def status(self) -> SourceStatus:
        (row,) = self.source.status()
        return row

    async def becomes(self, state: SourceState) -> None:
        await wait_until(lambda: self.status.state is state)

    async def delivers(self, *, more: int = 1) -> None:
        goal = len(self.delivered) + more
        await wait_until(lambda: len(self.delivered) >= goal)

    def slots(self) -> list[int]:
        return [update.slot for _, event in self.delivered for update in event.updates]

    def feeds(self) -> set[FeedId]:
        return {feed for _, event in self.delivered for update in event.updates for feed in update.prices}

    def states(self) -> list[SourceState]:
        return [row.state for row in self.source.status()]

    def longest_gap(self, *, since: int = 0) -> int:
        """Slots between two deliveries, or from the last one until now."""
        ticks = [at for at, _ in self.delivered if at >= since]
        return max(later - earlier for earlier, later in pairwise([*ticks, self.ticks()]))


@asynccontextmanager
async def sourcing_from_several(
    urls: Sequence[str], feeds: Iterable[FeedId], *, mode: HermesMode, ticks: Callable[[], int] = int, **config: Any
) -> AsyncIterator[Sourcing]:
    """A source of several endpoints, `hermes-1` and so on, that runs until the block ends."""
    wanted = tuple(feeds)
    configs = [
        HermesConfig(name=f"hermes-{number}", url=url, feeds=wanted, **config) for number, url in enumerate(urls, 1)
    ]
    events: list[Event] = []
    source = HermesSources(configs, mode=mode, clock=SystemClock(), emit=events.append)
    async with _at_work(Sourcing(source, ticks, events=events)) as bench:
        yield bench


@asynccontextmanager
async def sourcing_from(
    url: str, feeds: Iterable[FeedId], *, ticks: Callable[[], int] = int, **config: Any
) -> AsyncIterator[Sourcing]:
    """A source that runs until the block ends; keywords go to its config."""
    settings = HermesConfig(name="hermes.test", url=url, feeds=tuple(feeds), **config)
    events: list[Event] = []
    source = HermesSource(settings, clock=SystemClock(), emit=events.append)
    async with _at_work(Sourcing(source, ticks, events=events)) as bench:
        yield bench


@asynccontextmanager
async def _at_work(bench: Sourcing) -> AsyncIterator[Sourcing]:
    task = asyncio.create_task(bench.source.run(bench.deliver))
    try:
        yield bench
        assert not task.done(), "the source has stopped"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(stream: Handler, latest: Handler, *, prefix: str = "") -> AsyncIterator[str]:
    """A server of the two price routes as the test writes them; gives its URL."""
    application = web.Application()
    application.router.add_get(f"{prefix}/v2/updates/price/stream", stream)
    application.router.add_get(f"{prefix}/v2/updates/price/latest", latest)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{prefix}"
    finally:
        await runner.cleanup()


async def open_stream(request: web.Request) -> web.StreamResponse:
    """The head of an event stream, sent."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


@asynccontextmanager
async def opening_slowly(upstream: str, opening_s: float) -> AsyncIterator[str]:
    """Streams of another server that take so long to open; nothing can be polled there. Gives the URL."""
    async with _streams_after(lambda: asyncio.sleep(opening_s), upstream) as url:
        yield url


@asynccontextmanager
async def behind(door: "Door", upstream: str) -> AsyncIterator[str]:
    """The same, where they open when the door does."""
    async with _streams_after(door.pass_through, upstream) as url:
        yield url


@asynccontextmanager
async def _streams_after(opening: Callable[[], Awaitable[None]], upstream: str) -> AsyncIterator[str]:
    async def stream(request: web.Request) -> web.StreamResponse:
        await opening()
        async with ClientSession() as session, session.get(f"{upstream}{request.path_qs}") as source:
            response = await open_stream(request)
            async for chunk in source.content.iter_any():
                await response.write(chunk)
            return response

    async with serving(stream, failing) as url:
        yield url


class Door:
    """Whoever comes while it is closed waits until it is opened."""

    def __init__(self) -> None:
        self._opened = asyncio.Event()
        self._opened.set()
        self.waiting = 0

    def close(self) -> None:
        self._opened.clear()

    def open(self) -> None:
        self._opened.set()

    async def pass_through(self) -> None:
        self.waiting += 1
        try:
            await self._opened.wait()
        finally:
            self.waiting -= 1


async def failing(_: web.Request) -> web.StreamResponse:
    """A handler for a route that does not work."""
    raise web.HTTPServiceUnavailable
