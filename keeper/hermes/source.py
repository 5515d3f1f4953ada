"""One Hermes endpoint as a source of prices that never gives up."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Never, TypeAlias

from keeper.domain.status import SourceState, SourceStatus
from keeper.domain.units import FeedId
from keeper.hermes.config import HermesConfig
from keeper.hermes.fallback import Fallback
from keeper.hermes.guard import NewestGuard, Stamp
from keeper.hermes.health import Health
from keeper.hermes.intake import Intake
from keeper.hermes.pacing import RequestBudget
from keeper.hermes.roster import Roster
from keeper.hermes.stream import Stream
from keeper.hermes.subscription import Subscription
from keeper.hermes.transport import Transport, http_transport
from keeper.ports import Clock, Deliver, Emit

Connect: TypeAlias = Callable[[HermesConfig], AbstractAsyncContextManager[Transport]]

_HAND_OVER_S = 10.0
"""How long streams of the last subscription go on where those of the next one do not deliver."""
_SEVERITY = {SourceState.STREAMING: 0, SourceState.POLLING: 1}


def _nothing() -> frozenset[FeedId]:
    return frozenset()


@dataclass(slots=True)
class _Group:
    """Feeds that one connection takes."""

    roster: Roster
    health: Health
    guard: NewestGuard
    delivering: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once its stream has brought prices."""
    fallback: Fallback | None = None
    """While the source runs."""

    @property
    def streams(self) -> bool:
        """Whether a stream delivers, or was lost so recently that it may be back at once."""
        return self.fallback is not None and self.fallback.rests()


class HermesSource:
    """Streams an endpoint's feeds, in groups of as many as one connection takes, and polls where no stream delivers.

    Satisfies `keeper.ports.PriceSource`.
    """

    def __init__(
        self,
        config: HermesConfig,
        *,
        clock: Clock,
        emit: Emit,
        connect: Connect = http_transport,
        dice: random.Random | None = None,
        elsewhere: Callable[[], frozenset[FeedId]] = _nothing,
    ) -> None:
        """`elsewhere` tells the feeds that streams of other endpoints bring just now: they are not polled for."""
        self._config = config
        self._clock = clock
        self._connect = connect
        self._dice = dice or random.Random()  # noqa: S311 - jitter, not a secret
        self._elsewhere = elsewhere
        self._emit = emit
        self._changed = asyncio.Event()
        self._healths: dict[str, Health] = {}
        self._newest: dict[FeedId, Stamp] = {}
        self._budget: RequestBudget | None = None
        self._groups = self._grouped(config.feeds)
        self._leaving: list[_Group] = []
        """Those of the last subscription, until the streams of this one deliver."""

    @property
    def name(self) -> str:
        """What events and status call it."""
        return self._config.name

    @property
    def is_well(self) -> bool:
        """Whether all its streams deliver; one that was lost a moment ago may be back at once, and counts."""
        return all(group.streams for group in self._leaving or self._groups)

    def streamed(self) -> frozenset[FeedId]:
        """The feeds that its streams bring just now."""
        groups = (*self._groups, *self._leaving)
        return frozenset(feed_id for group in groups if group.streams for feed_id in group.roster.asked)

    def subscribe(self, feeds: Sequence[FeedId]) -> None:
        """See PriceSource; connections are opened anew, and those before go on until the new ones deliver."""
        self._groups = self._grouped(feeds)
        self._changed.set()

    def _grouped(self, feeds: Sequence[FeedId]) -> list[_Group]:
        size = self._config.feeds_per_connection
        parts = [feeds[at : at + size] for at in range(0, len(feeds), size)]
        names = [self.name] if len(parts) == 1 else [f"{self.name}/{n}" for n in range(1, len(parts) + 1)]
        return [
            _Group(Roster(part), self._health(name), NewestGuard(part, self._newest))
            for name, part in zip(names, parts, strict=True)
        ]

    def _health(self, name: str) -> Health:
        """The same as before, if there was one: what it has counted goes on."""
        return self._healths.setdefault(name, Health(name, clock=self._clock, emit=self._emit))

    async def run(self, deliver: Deliver) -> Never:
        """Deliver every price event once and in order, until cancelled."""
        last: list[asyncio.Task[Never]] = []
        """The streams before these, until these deliver."""
        alive: list[asyncio.Task[Any]] = []
        try:
            while True:
                self._changed.clear()
                groups = self._groups
                running = asyncio.create_task(self._stream(groups, deliver), name=f"stream {self.name}")
                changed = asyncio.create_task(self._changed.wait(), name=f"subscription {self.name}")
                settled = asyncio.create_task(_delivering(groups), name=f"hand over {self.name}")
                alive = [*last, running, changed, settled]
                await asyncio.wait([running, changed, settled], return_when=asyncio.FIRST_COMPLETED)
                if settled.done():
                    await self._leave(last, groups)
                    last = []
                await asyncio.wait([running, changed], return_when=asyncio.FIRST_COMPLETED)
                await _end([changed, settled])
                if running.done():
                    running.result()
                if last:
                    await _end([running])
                else:
                    last, self._leaving = [running], groups
        finally:
            self._leaving = []
            await _end(alive)

    async def _leave(self, last: Sequence["asyncio.Task[Never]"], groups: Sequence[_Group]) -> None:
        """End the streams before those of these groups."""
        await _end(last)
        self._leaving = []
        for group in groups:
            if not group.delivering.is_set():
                group.health.left()

    async def _stream(self, groups: Sequence[_Group], deliver: Deliver) -> Never:
        """Deliver the feeds of these groups."""
        config = self._config
        budget = RequestBudget(polls=config.polls_per_window, window_s=config.poll_window_s, sharers=len(groups))
        if self._budget is not None:
            budget.bar(self._budget.barred_until)
        self._budget = budget
        try:
            async with self._connect(config) as transport, asyncio.TaskGroup() as tasks:
                for group in groups:
                    self._start(group, transport, budget, deliver, tasks)
        finally:
            for group in groups:
                group.fallback = None
        raise AssertionError("tasks that never end have ended")

    def _start(
        self, group: _Group, transport: Transport, budget: RequestBudget, deliver: Deliver, tasks: asyncio.TaskGroup
    ) -> None:
        name = group.health.name
        group.health.called()
        subscription = Subscription(
            transport=transport,
            roster=group.roster,
            health=group.health,
            intake=Intake(self.name, group.guard, group.health, clock=self._clock, deliver=deliver),
            budget=budget,
            clock=self._clock,
            timing=self._config.timing,
            decode=self._config.decode,
            key=self._config.key,
            delivering=group.delivering,
            elsewhere=self._elsewhere,
        )
        group.fallback = Fallback(subscription)
        stream = Stream(subscription, group.fallback, dice=self._dice)
        tasks.create_task(stream.run(), name=f"keep streaming {name}")
        tasks.create_task(group.fallback.run(), name=f"poll {name}")

    def stand_by(self) -> None:
        """Tell in the status that it is in reserve; only while it does not run."""
        for group in self._groups:
            group.health.stand_by()

    def status(self) -> Sequence[SourceStatus]:
        """One row: a source does no better than the worst of its groups."""
        rows = [group.health.status(missing=group.roster.refused) for group in self._groups]
        heard = [row.last_event_at for row in rows if row.last_event_at is not None]
        combined = replace(
            max(rows, key=lambda row: _SEVERITY.get(row.state, len(_SEVERITY))),
            name=self.name,
            last_event_at=min(heard) if len(heard) == len(rows) else None,
            events=sum(row.events for row in rows),
            reconnects=sum(row.reconnects for row in rows),
        )
        return [combined]


async def _delivering(groups: Sequence[_Group]) -> None:
    """Return once their streams deliver, or will not do so soon."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_HAND_OVER_S):
            for group in groups:
                await group.delivering.wait()


async def _end(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Cancel them, and wait until they are gone."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
