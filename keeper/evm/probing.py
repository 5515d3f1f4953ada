"""Finds out in the background when an endpoint is well again; while it is well, not a request is made."""

import asyncio
from collections.abc import Awaitable, Callable


class Prober:
    """Probes an endpoint as long as there is a reason to."""

    def __init__(self, name: str, *, pause_s: Callable[[], float | None], probe: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._pause_s = pause_s
        """How long to wait before the next probe; None while there is no reason for one."""
        self._probe = probe
        self._task: asyncio.Task[None] | None = None
        self._due = 0.0
        self._sooner = asyncio.Event()
        self._closed = False

    def wake(self) -> None:
        """There may be a reason now, or one that is more urgent."""
        pause_s = self._pause_s()
        if self._closed or pause_s is None:
            return
        due = asyncio.get_running_loop().time() + pause_s
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self._name)
        elif due < self._due:
            self._due = due
            self._sooner.set()

    async def close(self) -> None:
        """No more probes."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while (pause_s := self._pause_s()) is not None:
                self._due = loop.time() + pause_s
                await self._until_due()
                if self._pause_s() is not None:
                    await self._probe()
        finally:
            self._task = None

    async def _until_due(self) -> None:
        while True:
            self._sooner.clear()
            try:
                async with asyncio.timeout_at(self._due):
                    await self._sooner.wait()
            except TimeoutError:
                return
