"""Keeps a stream open: reconnects when it is lost, and replaces its connection before the server ends it."""

import asyncio
import random
from typing import Never

from keeper.domain.errors import InvalidUpdate
from keeper.hermes.failure import SourceFailure, unexpected
from keeper.hermes.fallback import Fallback
from keeper.hermes.pacing import Reconnection
from keeper.hermes.subscription import Subscription
from keeper.hermes.wire import parse_updates

_TIMER_GRAIN_S = 0.001
"""No timer is finer: a wait that would be shorter is over."""


class Stream:
    """The stream of one subscription, over any number of connections."""

    def __init__(self, subscription: Subscription, fallback: Fallback, *, dice: random.Random) -> None:
        self._subscription = subscription
        self._fallback = fallback
        self._reconnection = Reconnection(subscription.timing, dice)
        self._delivering_since: float | None = None

    async def run(self) -> Never:
        """Stream for ever."""
        clock, budget = self._subscription.clock, self._subscription.budget
        while True:
            await asyncio.sleep(max(budget.barred_until - clock.monotonic(), 0.0))
            key = self._subscription.key()
            failure = await self._hold()
            await self._rest(self._lost(failure), key=key, refused=failure.refused)

    def on_data(self, data: str) -> bool:
        """Take an event of any of the connections; tells whether it holds prices."""
        arrived = self._subscription.clock.monotonic()
        try:
            updates = parse_updates(data, self._subscription.decode)
        except InvalidUpdate as exc:
            self.on_problem(str(exc))
            self._fallback.step_in()
            return False
        if not self._subscription.intake.accept(updates, arrived):
            return False
        self._subscription.health.streams()
        self._fallback.step_back(arrived)
        self._subscription.delivering.set()
        if self._delivering_since is None:
            self._delivering_since = arrived
        return True

    def on_problem(self, problem: str) -> None:
        """Take note of a problem that does not end the stream."""
        self._subscription.health.trouble(problem)

    def _lost(self, failure: SourceFailure) -> float:
        """Say so, let polling step in; seconds to the next attempt."""
        since, self._delivering_since = self._delivering_since, None
        lasted_s = 0.0 if since is None else self._subscription.clock.monotonic() - since
        self._subscription.health.lost(failure)
        self._fallback.step_in()
        return self._reconnection.delay_s(refused=self._subscription.heed(failure), lasted_s=lasted_s)

    async def _rest(self, delay_s: float, *, key: str | None, refused: bool) -> None:
        """Until the next attempt is due, or there is another key than the one that was refused."""
        clock, look_s = self._subscription.clock, self._subscription.timing.key_look_s
        until = clock.monotonic() + delay_s
        while (left_s := until - clock.monotonic()) > _TIMER_GRAIN_S:
            await asyncio.sleep(min(left_s, look_s) if refused else left_s)
            if refused and self._subscription.has_another_key_than(key):
                self._fallback.allowed()
                return

    async def _hold(self) -> SourceFailure:
        """Stream over one connection after the other; returns why the last one was lost."""
        connection = self._open()
        try:
            while await self._lasts(connection):
                connection = await self._renew(connection)
            return connection.failure()
        finally:
            await connection.close()

    async def _lasts(self, connection: "_Connection") -> bool:
        """Until it should be replaced, which another key may bring about too; False where it is lost before."""
        clock, key = self._subscription.clock, self._subscription.key()
        renew_at = clock.monotonic() + self._renewal_s(connection)
        while (left_s := renew_at - clock.monotonic()) > _TIMER_GRAIN_S:
            refused = bool(self._subscription.roster.refused)
            wait_s = min(left_s, self._subscription.timing.key_look_s) if refused else left_s
            await asyncio.wait([connection.task], timeout=wait_s)
            if connection.task.done():
                return False
            if refused and self._subscription.has_another_key_than(key):
                break
        return True

    def _renewal_s(self, connection: "_Connection") -> float:
        """Seconds until the connection should be replaced: for its age, or to ask again for feeds once refused."""
        roster, timing = self._subscription.roster, self._subscription.timing
        now = self._subscription.clock.monotonic()
        if roster.asked != connection.feeds:
            wait_s = timing.slow_retry_s
        elif roster.refused:
            wait_s = timing.refused_feeds_retry_s
        else:
            wait_s = max(connection.opened_at + timing.rotation_s - now, timing.slow_retry_s)
        return max(wait_s, self._subscription.budget.barred_until - now)

    async def _renew(self, current: "_Connection") -> "_Connection":
        """Open another connection and close this one once the other delivers; if it does not, this one goes on."""
        roster = self._subscription.roster
        if roster.asked == current.feeds:
            roster.restore()
        kept, dropped = current, self._open()
        try:
            await dropped.settled.wait()
            if dropped.task.done():
                failure = dropped.failure()
                self._subscription.heed(failure)
                self.on_problem(f"the stream's connection cannot be renewed: {failure}")
            else:
                kept, dropped = dropped, current
        finally:
            await dropped.close()
        return kept

    def _open(self) -> "_Connection":
        return _Connection(self._subscription, self)


class _Connection:
    """One connection, read by a task of its own."""

    def __init__(self, subscription: Subscription, stream: Stream) -> None:
        self.feeds = subscription.roster.asked
        self.opened_at = subscription.clock.monotonic()
        self.settled = asyncio.Event()
        """Set once it delivers, or has ended."""
        self._stream = stream
        self.task = asyncio.create_task(
            subscription.transport.listen(self.feeds, self), name=f"stream {subscription.health.name}"
        )
        self.task.add_done_callback(lambda _: self.settled.set())

    def on_data(self, data: str) -> bool:
        """Pass an event on to the stream."""
        if not self._stream.on_data(data):
            return False
        self.settled.set()
        return True

    def on_problem(self, problem: str) -> None:
        """Pass a problem on to the stream."""
        self._stream.on_problem(problem)

    def failure(self) -> SourceFailure:
        """Why it was lost."""
        try:
            self.task.result()
        except SourceFailure as exc:
            return exc
        except Exception as exc:  # noqa: BLE001 - a supervisor: the source outlives faults of our own
            return unexpected(exc)

    async def close(self) -> None:
        """Close it, and wait until it is."""
        self.task.cancel()
        await asyncio.wait([self.task])
