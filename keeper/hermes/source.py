"""One Hermes endpoint as a source of prices that never gives up."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Never, TypeAlias

from keeper.domain.status import SourceState, SourceStatus
from keeper.hermes.config import HermesConfig
from keeper.hermes.fallback import Fallback
from keeper.hermes.guard import NewestGuard
from keeper.hermes.health import Health
from keeper.hermes.intake import Intake
from keeper.hermes.pacing import RequestBudget
from keeper.hermes.roster import Roster
from keeper.hermes.stream import Stream
from keeper.hermes.subscription import Subscription
from keeper.hermes.transport import Transport, http_transport
from keeper.ports import Clock, Deliver, Emit

Connect: TypeAlias = Callable[[HermesConfig], AbstractAsyncContextManager[Transport]]

_SEVERITY = {SourceState.STREAMING: 0, SourceState.POLLING: 1}


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
    ) -> None:
        self._config = config
        self._clock = clock
        self._connect = connect
        self._dice = dice or random.Random()  # noqa: S311 - jitter, not a secret
        size = config.feeds_per_connection
        groups = [config.feeds[at : at + size] for at in range(0, len(config.feeds), size)]
        names = [config.name] if len(groups) == 1 else [f"{config.name}/{n}" for n in range(1, len(groups) + 1)]
        self._groups = [
            (Roster(feeds), Health(name, clock=clock, emit=emit)) for name, feeds in zip(names, groups, strict=True)
        ]

    async def run(self, deliver: Deliver) -> Never:
        """Deliver every price event once and in order, for ever."""
        config = self._config
        budget = RequestBudget(polls=config.polls_per_window, window_s=config.poll_window_s, sharers=len(self._groups))
        async with self._connect(config) as transport, asyncio.TaskGroup() as tasks:
            for roster, health in self._groups:
                guard = NewestGuard(roster.feeds)
                subscription = Subscription(
                    transport=transport,
                    roster=roster,
                    health=health,
                    intake=Intake(guard, health, clock=self._clock, deliver=deliver),
                    budget=budget,
                    clock=self._clock,
                    timing=config.timing,
                )
                fallback = Fallback(subscription)
                stream = Stream(subscription, fallback, dice=self._dice)
                tasks.create_task(stream.run(), name=f"keep streaming {health.name}")
                tasks.create_task(fallback.run(), name=f"poll {health.name}")
        raise AssertionError("tasks that never end have ended")

    def status(self) -> Sequence[SourceStatus]:
        """One row: a source does no better than the worst of its groups."""
        rows = [health.status(missing=roster.refused) for roster, health in self._groups]
        heard = [row.last_event_at for row in rows if row.last_event_at is not None]
        combined = replace(
            max(rows, key=lambda row: _SEVERITY.get(row.state, len(_SEVERITY))),
            name=self._config.name,
            last_event_at=min(heard) if len(heard) == len(rows) else None,
            events=sum(row.events for row in rows),
            reconnects=sum(row.reconnects for row in rows),
        )
        return [combined]
