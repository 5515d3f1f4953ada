"""Beside the flow: the view of the chain is read anew now and then."""

import asyncio
import math
from typing import Never

from keeper.domain.errors import KeeperError
from keeper.domain.events import ChainRead, ChainReadFailed
from keeper.pipeline.governor import Governor
from keeper.pipeline.submitter import Submitter
from keeper.pipeline.tracker import OnChainView
from keeper.ports import Emit


class Upkeep:
    """Repairs what nobody told: prices, fees, balance, nonce, the contract's terms."""

    def __init__(
        self,
        *,
        network: str,
        poll_interval_s: float,
        view: OnChainView,
        submitter: Submitter,
        governor: Governor,
        tell: Emit,
    ) -> None:
        self._network = network
        self._poll_interval_s = poll_interval_s
        self._view = view
        self._submitter = submitter
        self._governor = governor
        self._tell = tell
        self._hurry = asyncio.Event()
        self.trouble = "the chain was not read yet"
        """Why the chain is not known; empty while it is."""

    def hurry(self) -> None:
        """How often to read has changed."""
        self._hurry.set()

    async def poll_forever(self) -> Never:
        """Read now and then; trouble is told and passes."""
        while True:
            await self._pause()
            try:
                await self.read()
                await self._view.learn_terms()
                self.trouble = ""
            except KeeperError as exc:
                self.failed(exc)

    async def read(self) -> None:
        """Read everything; raises KeeperError."""
        state = await self._view.read()
        await self._submitter.heard_of(state.nonce)
        self._governor.funded(state.balance)
        self._tell(ChainRead(network=self._network, block=state.block, balance=state.balance, nonce=state.nonce))

    def failed(self, problem: KeeperError) -> None:
        """The chain could not be read."""
        self.trouble = str(problem)
        self._tell(ChainReadFailed(self._network, self.trouble))

    async def _pause(self) -> None:
        """Until the next read is due; how far that is may change meanwhile."""
        waited = False
        while not waited:
            self._hurry.clear()
            try:
                async with asyncio.timeout(min(self._governor.look_again_s or math.inf, self._poll_interval_s)):
                    await self._hurry.wait()
            except TimeoutError:
                waited = True
