"""What a node tells of its own accord, until somebody reads it: bounded, so that nobody waits for a slow reader."""

import asyncio
from collections import deque
from typing import Protocol, runtime_checkable

from keeper.domain.errors import Transient
from keeper.evm.transport import Cut
from keeper.evm.wire import Notice

_LIMIT = 10_000


class Overflow(Transient):
    """More was told than was read in time, and all of it was dropped: it must be asked for."""

    def __init__(self) -> None:
        super().__init__("more notifications came than could be handled")


class Inbox:
    """Notifications of one connection, in order."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._notices: deque[Notice] = deque()
        self._news = asyncio.Event()
        self._problem: Transient | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """Notifications that came and were not read."""
        return len(self._notices)

    def put(self, notice: Notice) -> None:
        """Never blocks."""
        if self._closed:
            return
        if len(self._notices) >= self._limit:
            self._problem = Overflow()
            self._notices.clear()
        self._notices.append(notice)
        self._news.set()

    def end(self) -> None:
        """The connection is gone."""
        self._problem = Cut()
        self._news.set()

    def close(self) -> bool:
        """Nobody reads it any more; returns whether the connection is still there."""
        self._closed = True
        self._notices.clear()
        return not isinstance(self._problem, Cut)

    async def take(self) -> list[Notice]:
        """All that came since; waits for something to come. Raises Overflow, and Cut once all is read that came."""
        await self._news.wait()
        self._news.clear()
        if isinstance(self._problem, Overflow):
            raise self._problem
        taken = list(self._notices)
        self._notices.clear()
        if not taken and self._problem is not None:
            raise self._problem
        if self._problem is not None:
            self._news.set()
        return taken


@runtime_checkable
class Listening(Protocol):
    """A transport by which nodes may tell things of their own accord."""

    async def listen(self, *, timeout_s: float) -> Inbox:
        """Where notifications of subscriptions go that are made over the open connection from now on."""
        ...
