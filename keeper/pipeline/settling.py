"""The beginning of a term: what was left in flight, and what an earlier process or another one knew."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from keeper.domain.budget import DAY_S
from keeper.domain.errors import KeeperError
from keeper.domain.transaction import Flight
from keeper.pipeline.parts import Parts
from keeper.pipeline.pushing import Pushing


class Settling:
    """Takes over for one network whatever is known of its account."""

    def __init__(self, parts: Parts, pushing: Pushing, *, learn_whether_paused: Callable[[], Awaitable[None]]) -> None:
        self._parts = parts
        self._pushing = pushing
        self._learn_whether_paused = learn_whether_paused

    async def settled(self) -> Sequence[Flight]:
        """What was left in flight, by an earlier process or another one; none where the keeper stops before."""
        parts = self._parts
        delay_s = parts.config.submit.retry_delay_s / 8
        while not parts.stopping:
            try:
                return await self._recover()
            except KeeperError as exc:
                parts.upkeep.failed(exc)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, parts.config.submit.retry_delay_s)
        return ()

    async def _recover(self) -> Sequence[Flight]:
        parts, dry_run = self._parts, self._parts.config.dry_run
        await parts.view.read()
        if not dry_run:
            await parts.submitter.begin_term()
        recovered = await parts.submitter.recover()
        if dry_run:
            parts.submitter.forget()
        await self._learn_whether_paused()
        now = parts.clock.now()
        parts.governor.resume(await parts.submitter.spent_since(now - now % DAY_S), now)
        self._pushing.assess()
        self._pushing.pushes = parts.ledger.newest_push = recovered.last_push
        parts.ready, parts.upkeep.trouble = True, ""
        return () if dry_run else recovered.flights
