"""From an event to every client: one task does it all, in short turns, after whoever told the event has gone on."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Never

import msgspec

from keeper.ports import Clock
from keeper.server.streams.frame_parts import Priority
from keeper.server.streams.frames import AnyFrame
from keeper.server.streams.hub import Backlog, Buffers, FrameId, Hub
from keeper.server.streams.listener import Kind, Listener, Tally
from keeper.server.streams.messages import Message, sse_event, websocket_text
from keeper.server.streams.stream_frames import HelloFrame
from keeper.server.streams.topics import PRIORITIES, Wanted
from keeper.server.streams.wire import Streamed, Wire

log = logging.getLogger(__name__)

LINGER_S = 0.02
"""An event waits so long before it is told: by then the push that it belongs to has been handed on."""
_TURN_S = 0.00025
"""The event loop belongs to the broadcast for no longer at a time, and then to others for a while."""
_PAUSE_S = 0.0005
_TICK_S = 1.0
_RETRY_S = 0.1
"""Clients with something unread are looked at again after so long."""
_AT_ONCE = 32
"""Frames are made and told in groups of so many: fewer than any buffer holds."""
_MOST_PENDING = 10_000
_DEAD_AFTER_S = 10.0
_NAMES: Mapping[Priority, Literal["low", "medium", "high"]] = MappingProxyType(
    {Priority.LOW: "low", Priority.MEDIUM: "medium", Priority.HIGH: "high"}
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many clients there may be, and what is kept for each."""

    clients: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 10_000))
    buffers: Buffers = field(default_factory=Buffers)


class Full(Exception):
    """There are as many clients as are allowed."""


class Broadcast:
    """A subscriber of events: telling it one costs a microsecond, whoever listens."""

    def __init__(self, *, boot: str, wire: Wire, limits: Limits, clock: Clock, clean: Callable[[str], str]) -> None:
        """`clean` takes secrets out of a text."""
        self.hub = Hub(boot, limits.buffers)
        self.emitted: Counter[str] = Counter(dict.fromkeys(PRIORITIES, 0))
        self.lost = 0
        """Events that were not told to anybody: there were too many at once, or a bug in how they are told."""
        self.tally = Tally()
        self.limits = limits
        self.connected: Counter[Kind] = Counter()
        self._wire = wire
        self._clock = clock
        self._clean = clean
        self._pending: deque[tuple[Streamed, float]] = deque()
        self._listeners: dict[Listener, None] = {}
        self._news = asyncio.Event()
        self._alive_at = clock.monotonic()

    def __call__(self, event: Streamed) -> None:
        """It happened now."""
        if len(self._pending) < _MOST_PENDING:
            self._pending.append((event, self._clock.now()))
            self._news.set()
        else:
            self.lost += 1

    @property
    def works(self) -> bool:
        """Whether events are told as they happen."""
        return self._clock.monotonic() - self._alive_at < _DEAD_AFTER_S

    @property
    def looks_at_feeds(self) -> bool:
        """Whether anybody wants to know of prices and verdicts."""
        return any(listener.backlog.wanted.looks_at_feeds for listener in self._listeners)

    @contextmanager
    def place(self, kind: Kind) -> Iterator[None]:
        """A place for one more client; raises Full where there is none."""
        if self.connected[kind] >= self.limits.clients[kind]:
            raise Full
        self.connected[kind] += 1
        try:
            yield
        finally:
            self.connected[kind] -= 1

    @contextmanager
    def joined(
        self, kind: Kind, transport: asyncio.Transport, wanted: Wanted, since: FrameId | None, last: int
    ) -> Iterator[Listener]:
        """A client that listens, from where it left off."""
        listener = Listener(kind, transport, Backlog(wanted, self.limits.buffers), self.tally)
        resumed = self.hub.resume(wanted, since, last)
        listener.say(
            HelloFrame(
                id=self.hub.id_of(resumed.position),
                at=round(self._clock.now(), 3),
                boot=self.hub.boot,
                newest=self.hub.id_of(self.hub.newest),
                whole=not resumed.missed,
                missed=[name for priority, name in _NAMES.items() if priority in resumed.missed],
            )
        )
        for message in resumed.messages:
            listener.offer(message)
        listener.flush(self._clock.monotonic())
        self._listeners[listener] = None
        try:
            yield listener
        finally:
            self._listeners.pop(listener, None)
            listener.leave()

    async def run(self) -> Never:
        """Tell everything that happens."""
        all_looked_at = self._clock.monotonic()
        while True:
            slow = [listener for listener in self._listeners if listener.backlog]
            with suppress(TimeoutError):
                async with asyncio.timeout(_RETRY_S if slow else _TICK_S):
                    await self._news.wait()
            await asyncio.sleep(LINGER_S)
            self._news.clear()
            self._alive_at = now = self._clock.monotonic()
            while self._pending:
                self._alive_at = self._clock.monotonic()
                await self._tell([*self._encoded()], [*self._listeners])
                all_looked_at = now
            await self._tell((), [*self._listeners] if now - all_looked_at >= _TICK_S else slow)
            if now - all_looked_at >= _TICK_S:
                all_looked_at = now

    def close(self) -> None:
        """Tell what there still is to be told; then whoever listens has to go."""
        messages: list[Message] = []
        while self._pending:
            messages += self._encoded()
        for listener in self._listeners:
            for message in messages:
                listener.offer(message)
            listener.flush(self._clock.monotonic())
            if listener.is_stalled:
                listener.cut_off()
            else:
                listener.leave()

    async def _tell(self, messages: Sequence[Message], listeners: Sequence[Listener]) -> None:
        """In turns; whoever joins meanwhile finds the messages among those that are kept."""
        turn_ends_at = self._clock.monotonic() + _TURN_S
        for listener in listeners:
            for message in messages:
                listener.offer(message)
            now = self._clock.monotonic()
            listener.flush(now)
            if now >= turn_ends_at:
                await asyncio.sleep(_PAUSE_S)
                turn_ends_at = self._clock.monotonic() + _TURN_S
        await asyncio.sleep(0)

    def _encoded(self) -> Iterable[Message]:
        """The next few, kept for those who come later."""
        for event, at in (self._pending.popleft() for _ in range(min(_AT_ONCE, len(self._pending)))):
            try:
                message = self._message(event, at)
            except Exception:  # the supervisor of what is told: a bug in one frame keeps no other from its clients
                self.lost += 1
                log.exception("stream_frame_failed", extra={"text": f"no frame for a {type(event).__name__}"})
                continue
            self.emitted[message.type] += 1
            self.hub.keep(message)
            yield message

    def _message(self, event: Streamed, at: float) -> Message:
        sequence = self.hub.next_sequence()
        id_ = self.hub.id_of(sequence)
        frame = self._wire.frame(event, id_, at)
        type_ = str(frame.__struct_config__.tag)
        payload = self._clean(msgspec.json.encode(frame).decode()).encode()
        return Message(
            sequence=sequence,
            type=type_,
            priority=PRIORITIES[type_],
            network=getattr(frame, "network", None),
            feeds=_feeds(frame),
            sse=sse_event(type_, payload, id_),
            websocket=websocket_text(payload),
        )


def _feeds(frame: AnyFrame) -> frozenset[str]:
    if one := getattr(frame, "feed", None):
        return frozenset({one})
    several = getattr(frame, "feeds", None)
    return frozenset(feed.feed for feed in several) if isinstance(several, list) else frozenset()
