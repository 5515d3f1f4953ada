"""Who may send: stand by until it is this process, and end once it is another one."""

import asyncio
from contextlib import suppress
from typing import Never

from keeper.domain.errors import KeeperError, MandateLost
from keeper.domain.orders import Addressee, PushRequest
from keeper.pipeline.parts import Parts
from keeper.pipeline.pushing import LOOK_AGAIN_S, Pushing
from keeper.ports import Account


class Leading:
    """One network's mandate: gained, asked back, lost."""

    def __init__(self, parts: Parts, pushing: Pushing) -> None:
        self._parts = parts
        self._pushing = pushing
        self._mandate = parts.outside.mandate
        self.yields = False
        """Whether another process should have the mandate, once what is in flight has landed."""

    async def may_send(self) -> bool:
        """Stand by until the mandate is held; False once the keeper is to stop."""
        parts = self._parts
        if parts.view.known_chain_id is None or parts.stopping:
            return False
        account = Account(parts.name, parts.view.known_chain_id, parts.outside.signer.address)
        gaining = asyncio.create_task(self._mandate.gain(account), name=f"stand by {parts.name}")
        gaining.add_done_callback(lambda _: parts.news.set())
        try:
            await asyncio.sleep(0)
            while not gaining.done() and not parts.stopping:
                parts.ready, parts.upkeep.trouble = True, ""
                self._pushing.assess()
                self._pushing.watch_freshness()
                await self._pass_on()
                await parts.await_news(until=parts.clock.monotonic() + LOOK_AGAIN_S)
            if gaining.done():
                gaining.result()
            self.yields = False
            return not parts.stopping
        finally:
            gaining.cancel()

    async def _pass_on(self) -> None:
        """What is asked of a keeper that stands by is for whoever sends."""
        parts = self._parts
        if parts.forcing.feeds:
            request = PushRequest(parts.forcing.feeds, parts.forcing.origin)
            addressee = Addressee(parts.name, parts.outside.signer.address)
            with suppress(KeeperError):
                await parts.outside.orders.ask(addressee, request, parts.clock.now())
                parts.forcing.forget()

    def watch(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Tasks beside the pushes of a term: the loss of the mandate ends the group with MandateLost."""
        return [
            tasks.create_task(self._end_when_lost(), name=f"lost {self._parts.name}"),
            tasks.create_task(self._yield_when_asked(), name=f"asked back {self._parts.name}"),
        ]

    def stand_down(self, lost: BaseExceptionGroup[MandateLost]) -> None:
        """The mandate may not know it yet: the journal may have told."""
        self._mandate.overtaken(str(next(iter(lost.exceptions))))

    async def _end_when_lost(self) -> Never:
        await self._mandate.lost()
        raise MandateLost(f"{self._parts.name}: another process may send")

    async def _yield_when_asked(self) -> None:
        await self._mandate.asked_back()
        self.yields = True
        self._parts.news.set()
