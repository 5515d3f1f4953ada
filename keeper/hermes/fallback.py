"""Polls in place of a stream that does not deliver."""

import asyncio
from contextlib import suppress
from typing import Never

from keeper.domain.errors import InvalidUpdate
from keeper.hermes.failure import SourceFailure, unexpected
from keeper.hermes.intake import Found
from keeper.hermes.subscription import Subscription

_LONG_AGO = float("-inf")
_SECOND_POLL_S = 0.5
"""After a first poll that came too early to bring anything new."""
_TICK_S = 0.001
"""Timers resolve no less."""
_SPARED_S = 0.2
"""How often to see whether others still bring what this stream does not."""


class Fallback:
    """Polls from shortly after a loss, or a long quiet, until the stream delivers again.

    Feeds that streams of other endpoints bring need no polls.
    """

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._due_at = 0.0
        self._next_at = _LONG_AGO
        self._refused_until = _LONG_AGO
        self._active = False
        self._changed = asyncio.Event()

    def rests(self) -> bool:
        """Whether the stream delivers, or was lost so recently that it may be back at once."""
        return self._subscription.clock.monotonic() < self._due_at

    def step_back(self, now: float) -> None:
        """The stream delivers."""
        self._due_at = now + self._subscription.timing.poll_after_quiet_s
        if self._active:
            self._next_at = _LONG_AGO
            self._changed.set()

    def step_in(self) -> None:
        """The stream is lost, or brings nothing of use."""
        soon = self._subscription.clock.monotonic() + self._subscription.timing.poll_after_loss_s
        if soon < self._due_at:
            self._due_at = soon
            self._changed.set()

    def allowed(self) -> None:
        """What polls were refused for is over."""
        self._refused_until = _LONG_AGO
        self._changed.set()

    async def run(self) -> Never:
        """Poll whenever it is due and the server's limits allow."""
        clock, health, budget = self._subscription.clock, self._subscription.health, self._subscription.budget
        self._due_at = clock.monotonic() + self._subscription.timing.poll_after_loss_s
        while True:
            now = clock.monotonic()
            spared = now >= self._due_at and self._is_spared()
            self._active = now >= self._due_at and not spared
            health.polls(active=self._active and not health.connected)
            wait_s = (
                _SPARED_S if spared else max(self._due_at, self._next_at, self._refused_until, budget.poll_at()) - now
            )
            if wait_s > 0:
                await self._pause(wait_s)
            else:
                is_first = self._next_at == _LONG_AGO
                budget.spend(now)
                self._next_at = now + budget.spacing_s
                if await self._poll() is Found.KNOWN and is_first:
                    self._next_at = now + _SECOND_POLL_S

    def _is_spared(self) -> bool:
        return self._subscription.elsewhere() >= frozenset(self._subscription.roster.asked)

    async def _pause(self, wait_s: float) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(wait_s, _TICK_S)):
                await self._changed.wait()

    async def _poll(self) -> Found:
        subscription = self._subscription
        found = Found.NOTHING
        try:
            updates = await subscription.transport.latest(subscription.roster.asked)
            found = subscription.intake.accept(updates, subscription.clock.monotonic())
            if found:
                subscription.health.poll_answered()
            else:
                subscription.health.poll_failed("the answer holds none of the feeds")
        except InvalidUpdate as exc:
            subscription.health.poll_failed(str(exc))
        except SourceFailure as exc:
            self._failed(exc)
        except Exception as exc:  # noqa: BLE001 - a supervisor: the source outlives faults of our own
            self._failed(unexpected(exc))
        return found

    def _failed(self, failure: SourceFailure) -> None:
        self._subscription.health.poll_failed(str(failure))
        if self._subscription.heed(failure):
            self._refused_until = self._subscription.clock.monotonic() + self._subscription.timing.slow_retry_s
