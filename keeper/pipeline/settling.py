"""The beginning of a term: what was left in flight, and what an earlier process or another one knew."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from keeper.domain.budget import DAY_S
from keeper.domain.errors import KeeperError
from keeper.domain.events import OthersInFlight
from keeper.domain.transaction import Flight
from keeper.pipeline.parts import Parts
from keeper.pipeline.pushing import Pushing

_BLOCKS_TO_LAND = 2
_SHORTEST_PATIENCE_S = 2.0
_LONGEST_PATIENCE_S = 30.0
"""What somebody else has in flight may land first for the time of two blocks, within these bounds."""
_LOOK_EVERY_S = 0.5
_MOST_TOLD = 10


class Settling:
    """Takes over for one network whatever is known of its account."""

    def __init__(self, parts: Parts, pushing: Pushing, *, learn_whether_paused: Callable[[], Awaitable[None]]) -> None:
        self._parts = parts
        self._pushing = pushing
        self._learn_whether_paused = learn_whether_paused
        self._until: float | None = None
        """Monotonic seconds to which others may land, once that began to count."""

    async def settled(self) -> Sequence[Flight]:
        """What was left in flight, by an earlier process or another one; none where the keeper stops before."""
        parts = self._parts
        self._until = None
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
        elif await self._others_may_land(recovered.flights):
            await parts.view.read()
            recovered = await parts.submitter.recover()
        await self._learn_whether_paused()
        now = parts.clock.now()
        parts.governor.resume(await parts.submitter.spent_since(now - now % DAY_S), now)
        self._pushing.assess()
        self._pushing.pushes = parts.ledger.newest_push = recovered.last_push
        parts.ready, parts.upkeep.trouble = True, ""
        return () if dry_run else recovered.flights

    async def _others_may_land(self, flights: Sequence[Flight]) -> bool:
        """Give what somebody else has in flight the time to land; returns whether there was something.

        A keeper that takes over without its predecessor's journal would pay for the same prices again. What does not
        land in the time that a transaction of our own is given is outbid as such a one would be.
        """
        parts, ours = self._parts, {flight.nonce for flight in flights}
        patience_s = min(max(_BLOCKS_TO_LAND * parts.view.block_time_s, _SHORTEST_PATIENCE_S), _LONGEST_PATIENCE_S)
        if self._until is None:
            self._until = parts.clock.monotonic() + patience_s
        told = False
        assert parts.view.state is not None
        mined = parts.view.state.nonce
        while not parts.stopping and parts.clock.monotonic() < self._until:
            try:
                pending = await parts.outside.chain.pending_nonce()
            except KeeperError:  # not every node tells, and what is there is outbid all the same
                break
            theirs = [nonce for nonce in range(mined, min(pending, mined + _MOST_TOLD)) if nonce not in ours]
            if not theirs:
                break
            if not told:
                told = True
                parts.tell(OthersInFlight(parts.name, tuple(theirs), patience_s))
            await asyncio.sleep(_LOOK_EVERY_S)
            with suppress(KeeperError):
                mined = await parts.outside.chain.mined_nonce()
        return told
