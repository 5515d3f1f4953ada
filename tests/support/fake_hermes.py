"""A Hermes endpoint in memory, for virtual time: it makes a slot every 0.4 s and does what the test tells it to."""

import asyncio
import base64
import random
from collections.abc import AsyncIterator, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Never, TypeVar

from keeper.domain.accumulator import Update, decode
from keeper.domain.events import Event
from keeper.domain.status import SourceState
from keeper.domain.units import FeedId
from keeper.hermes.config import HermesConfig, HermesMode
from keeper.hermes.failure import SourceFailure
from keeper.hermes.several import HermesSources
from keeper.hermes.source import HermesSource
from keeper.hermes.sse import Listener
from keeper.ports import PriceEvent
from tests.support.clock import EPOCH, LoopClock
from tests.support.market import FEEDS
from tests.support.updates import Envelope, Quote, build_update

SLOT_S = 0.4

AnyEvent = TypeVar("AnyEvent", bound=Event)


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


def signed(feeds: Collection[FeedId], *, slot: int, publish_time: int) -> bytes:
    """An update of these feeds."""
    messages = [Quote(feed_id=feed, price=slot, publish_time=publish_time).message() for feed in feeds]
    return build_update(messages, Envelope(slot=slot))


def as_event(*updates: bytes) -> str:
    """What a stream event with these updates says."""
    data = ",".join(f'"{base64.b64encode(update).decode()}"' for update in updates)
    return f'{{"binary":{{"encoding":"base64","data":[{data}]}}}}'


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    at: float
    feeds: tuple[FeedId, ...]


@dataclass(eq=False, slots=True)
class FakeConnection:
    """One open stream."""

    feeds: tuple[FeedId, ...]
    listener: Listener
    ending: asyncio.Future[SourceFailure]


@dataclass
class FakeHermes:
    """Satisfies the source's `Transport`. The switches may be thrown at any time."""

    stream_failure: Exception | None = None
    """What opening a stream raises."""
    poll_failure: Exception | None = None
    unknown: frozenset[FeedId] = frozenset()
    """Feeds that are refused by name."""
    opening_s: float = 0.0
    """How long a stream takes to open."""
    silent: bool = False
    garbage: bool = False
    connections: list[FakeConnection] = field(default_factory=list)
    opened: list[Asked] = field(default_factory=list)
    polled: list[Asked] = field(default_factory=list)
    slot: int = 1000

    async def listen(self, feeds: Collection[FeedId], listener: Listener) -> Never:
        self.opened.append(Asked(now(), tuple(feeds)))
        await asyncio.sleep(self.opening_s)
        self._refuse(feeds, self.stream_failure)
        connection = FakeConnection(tuple(feeds), listener, asyncio.get_running_loop().create_future())
        self.connections.append(connection)
        try:
            raise await connection.ending
        finally:
            self.connections.remove(connection)

    async def latest(self, feeds: Collection[FeedId]) -> tuple[Update, ...]:
        self.polled.append(Asked(now(), tuple(feeds)))
        self._refuse(feeds, self.poll_failure)
        return (decode(self._update(feeds)),)

    def publish(self) -> None:
        """Make the next slot, and send it on every open stream."""
        self.slot += 1
        if not self.silent:
            for connection in tuple(self.connections):
                self.send("garbage" if self.garbage else as_event(self._update(connection.feeds)), connection)

    def send(self, data: str, connection: FakeConnection | None = None) -> None:
        """Send an event on one of the streams, the only one by default."""
        (connection or self.connections[0]).listener.on_data(data)

    def drop(self, failure: SourceFailure | None = None) -> None:
        """End every stream."""
        for connection in self.connections:
            connection.ending.set_result(failure or SourceFailure("the server closed the connection"))

    def _refuse(self, feeds: Collection[FeedId], failure: Exception | None) -> None:
        if failure is not None:
            raise failure
        if refused := self.unknown.intersection(feeds):
            raise SourceFailure("unknown feeds", state=SourceState.UNKNOWN_FEEDS, refused=True, feeds=refused)

    def _update(self, feeds: Collection[FeedId]) -> bytes:
        return signed(feeds, slot=self.slot, publish_time=int(EPOCH + now()))


@dataclass
class SourceBench:
    """A running source, its endpoint, and what it delivered and told."""

    source: HermesSource
    hermes: FakeHermes
    delivered: list[tuple[float, PriceEvent]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def deliver(self, event: PriceEvent) -> None:
        self.delivered.append((now(), event))

    def told(self, kind: type[AnyEvent]) -> list[AnyEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    def slots(self) -> list[int]:
        return [update.slot for _, event in self.delivered for update in event.updates]

    def longest_gap_s(self, *, since: float = 0.0) -> float:
        """Between two deliveries, and from the last one until now."""
        times = [at for at, _ in self.delivered if at >= since]
        return max(after - before for before, after in zip([since, *times], [*times, now()], strict=True))


@dataclass
class SourcesBench:
    """Several endpoints behind one source, and what it delivered and told."""

    source: HermesSources
    endpoints: dict[str, FakeHermes]
    delivered: list[tuple[float, PriceEvent]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def deliver(self, event: PriceEvent) -> None:
        self.delivered.append((now(), event))

    def told(self, kind: type[AnyEvent]) -> list[AnyEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    def states(self) -> list[SourceState]:
        return [row.state for row in self.source.status()]

    def news(self) -> list[tuple[float, Update]]:
        """What was not there before, whoever brought it, with the time of its arrival."""
        newest, found = -1, []
        for at, event in self.delivered:
            for update in event.updates:
                if update.slot > newest:
                    newest = update.slot
                    found.append((at, update))
        return found

    def longest_gap_s(self, *, since: float = 0.0) -> float:
        """Between two pieces of news, and from the last one until now."""
        times = [at for at, _ in self.news() if at >= since]
        return max(after - before for before, after in zip([since, *times], [*times, now()], strict=True))


@asynccontextmanager
async def sourcing_several(
    *names: str, mode: HermesMode = HermesMode.ALL, feeds: Mapping[str, Collection[FeedId]] | None = None, **config: Any
) -> AsyncIterator[SourcesBench]:
    """Endpoints that make the same slots at the same moments, and one source of all of them at work."""
    endpoints = {name: FakeHermes() for name in names}

    @asynccontextmanager
    async def connect(settings: HermesConfig) -> AsyncIterator[FakeHermes]:
        yield endpoints[settings.name]

    events: list[Event] = []
    configs = [
        HermesConfig(
            **{"name": name, "url": f"http://{name}", "feeds": tuple((feeds or {}).get(name, FEEDS[:2]))} | config
        )
        for name in names
    ]
    dice = random.Random(1)  # noqa: S311  jitter
    source = HermesSources(configs, mode=mode, clock=LoopClock(), emit=events.append, connect=connect, dice=dice)
    bench = SourcesBench(source, endpoints, events=events)
    async with _at_work(source.run(bench.deliver), [*endpoints.values()]):
        yield bench


@asynccontextmanager
async def sourcing(hermes: FakeHermes | None = None, **config: Any) -> AsyncIterator[SourceBench]:
    """A source at work on two feeds, while the endpoint makes its slots; keywords change its config."""
    endpoint = hermes or FakeHermes()

    @asynccontextmanager
    async def connect(_: HermesConfig) -> AsyncIterator[FakeHermes]:
        yield endpoint

    events: list[Event] = []
    settings = HermesConfig(**{"name": "hermes.test", "url": "http://hermes.test", "feeds": FEEDS[:2]} | config)
    dice = random.Random(1)  # noqa: S311  jitter
    source = HermesSource(settings, clock=LoopClock(), emit=events.append, connect=connect, dice=dice)
    bench = SourceBench(source, endpoint, events=events)
    async with _at_work(source.run(bench.deliver), [endpoint]):
        yield bench


@asynccontextmanager
async def _at_work(running: Coroutine[Any, Any, Never], endpoints: Collection[FakeHermes]) -> AsyncIterator[None]:
    """The source runs, and the endpoints make their slots, until the block ends."""
    tasks = [asyncio.create_task(running), asyncio.create_task(_make_slots(endpoints))]
    try:
        yield
        assert not any(task.done() for task in tasks), "the source has stopped"
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        assert not any(endpoint.connections for endpoint in endpoints), "a stream was left open"


async def _make_slots(endpoints: Collection[FakeHermes]) -> None:
    while True:
        await asyncio.sleep(SLOT_S)
        for hermes in endpoints:
            hermes.publish()
