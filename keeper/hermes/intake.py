"""Where stream and polls meet: what is new is delivered, whichever brought it."""

from collections.abc import Sequence
from enum import IntEnum

from keeper.domain.accumulator import Update
from keeper.hermes.guard import NewestGuard
from keeper.hermes.health import Health
from keeper.ports import Clock, Deliver, PriceEvent


class Found(IntEnum):
    """What updates had for us."""

    NOTHING = 0
    """None of the wanted feeds."""
    KNOWN = 1
    """Prices that were here before."""
    NEWS = 2


class Intake:
    """Passes on the news of one subscription."""

    def __init__(self, source: str, guard: NewestGuard, health: Health, *, clock: Clock, deliver: Deliver) -> None:
        self._source = source
        self._guard = guard
        self._health = health
        self._clock = clock
        self._deliver = deliver

    def accept(self, updates: Sequence[Update], arrived: float) -> Found:
        """Deliver what is new of these updates."""
        ours = [update for update in updates if self._guard.holds(update)]
        if not ours:
            return Found.NOTHING
        now = self._clock.now()
        self._health.heard(now)
        news = tuple(update for update in ours if self._guard.advances(update, now=now))
        if not news:
            return Found.KNOWN
        self._health.delivered()
        self._deliver(PriceEvent(news, self._source, arrived))
        return Found.NEWS
