"""Beside the flow: the view of the chain is read anew now and then."""

import asyncio
import math
from typing import Never

from keeper.domain.errors import KeeperError
from keeper.domain.events import ChainRead, ChainReadFailed, FollowModeChanged
from keeper.domain.polling import PollPace
from keeper.pipeline.contract_watch import ContractWatch
from keeper.pipeline.governor import Governor
from keeper.pipeline.signatures import Signatures
from keeper.pipeline.submitter import Submitter
from keeper.pipeline.tracker import OnChainView
from keeper.ports import Glance, Outside

_MS = 1000
_WHOLE_READ_EVERY_S = 7200.0
"""Nonce and fees are learned from pushes and heads: they need repair far less often than prices."""
_URGENT_READS = 5
_ONCE_MORE_S = 1.0
"""What is known to be wrong is read again so soon where that has failed."""
_FEES_LAST_S = 60.0
_FEES_LAST_LIVE_S = 900.0
"""While heads tell the base fee, only the tip may have changed."""
_UNREAD_S = 5.0
"""While there are feeds of which the chain was not asked yet, it is asked this often."""


class Upkeep:
    """Repairs what nobody told: prices, fees, balance, nonce, the contract's terms."""

    def __init__(
        self,
        *,
        network: str,
        pace: PollPace,
        view: OnChainView,
        submitter: Submitter,
        governor: Governor,
        signatures: Signatures,
        outside: Outside,
    ) -> None:
        self._network = network
        self._pace = pace
        self._told_mode = ""
        self._view = view
        self._submitter = submitter
        self._governor = governor
        self._signatures = signatures
        self._clock = outside.clock
        self._tell = outside.emit
        self._hurry = asyncio.Event()
        self._fees_wanted = asyncio.Event()
        self._taken_back = False
        self._urgent = 0
        """So many reads may follow one another until one succeeds."""
        self._contract = ContractWatch(network=network, tell=outside.emit)
        self.trouble = "the chain was not read yet"
        """Why the chain is not known; empty while it is."""

    @property
    def interval_s(self) -> float:
        """How often the chain is read now."""
        pause_s = self._pace.longest_s if self._view.live else self._pace.pause_s
        if self._view.unread:
            pause_s = min(pause_s, _UNREAD_S)
        return min(self._governor.look_again_s or math.inf, pause_s)

    @property
    def mode(self) -> str:
        """How the chain is followed."""
        fallback_ms = round(self._pace.longest_s * _MS)
        return f"event-driven + {fallback_ms}ms fallback" if self._view.live else "polling"

    def tell_mode(self) -> None:
        """The mode may have changed."""
        if self.mode != self._told_mode:
            self._told_mode = self.mode
            self._tell(FollowModeChanged(self._network, self.mode))
        self.hurry()

    def hurry(self) -> None:
        """How often to read has changed."""
        self._hurry.set()

    def read_anew(self) -> None:
        """What is on chain was taken back: read now."""
        self._taken_back = True
        self.read_now(tries=_URGENT_READS)

    def contract_changed(self, name: str, block: int) -> None:
        """The contract told so: learn what it wants now."""
        self._contract.told(name, block)
        self.read_now(tries=_URGENT_READS)

    def read_now(self, *, tries: int = 1) -> None:
        """Do not wait until the next read is due; should it fail, so many follow one another."""
        self._urgent = tries
        self._hurry.set()

    async def poll_forever(self) -> Never:
        """Read now and then; trouble is told and passes."""
        while True:
            await self._pause()
            surprises = self._view.sightings.surprises
            tries, self._urgent = self._urgent, 0
            try:
                self.trouble = await self._repair()
                self._pace = self._pace.after(surprised=self._view.sightings.surprises > surprises)
            except KeeperError as exc:
                self.failed(exc)
                self._urgent = max(self._urgent, tries - 1)
                await asyncio.sleep(_ONCE_MORE_S if self._urgent else 0)

    @property
    def fees_are_old(self) -> bool:
        """Whether a push should rather not be based on what is known of them; only after the first read."""
        return self._view.market_age_s >= (_FEES_LAST_LIVE_S if self._view.live else _FEES_LAST_S)

    def foresee_push(self) -> None:
        """A push is near: ask for fees."""
        self._fees_wanted.set()

    async def ask_fees_forever(self) -> Never:
        """Whenever a push is near and fees are old."""
        while True:
            await self._fees_wanted.wait()
            try:
                await self._view.ask_fees()
            except KeeperError:
                await asyncio.sleep(_FEES_LAST_S)  # the old ones have to do
            self._fees_wanted.clear()

    async def read(self, *, reorganised: bool = False) -> None:
        """Read everything; raises KeeperError."""
        state = await self._view.read(reorganised=reorganised)
        await self._submitter.heard_of(state.nonce)
        await self._heed(state, state.nonce)

    async def _repair(self) -> str:
        """Read what changes by itself, everything now and then, and the contract's terms where they have changed.

        Returns what is wrong with the contract, as far as that is known; empty if nothing is.
        """
        waits_for_fees = self._governor.look_again_s is not None
        if waits_for_fees or self._view.read_since_s >= _WHOLE_READ_EVERY_S:
            await self.read(reorganised=self._taken_back)
        else:
            await self._heed(await self._view.glance(reorganised=self._taken_back))
        self._taken_back = False
        if not self._view.terms_are_due and not self._contract.changed:
            return ""
        return self._contract.tried((await self._view.learn_terms()).refusal)

    async def _heed(self, glance: Glance, nonce: int | None = None) -> None:
        self._governor.funded(glance.balance)
        await self._signatures.heed(glance.signers)
        self._contract.saw(glance, signer_set=self._signatures.current)
        self._tell(ChainRead(self._network, glance.block, glance.balance, nonce))

    def failed(self, problem: KeeperError) -> None:
        """The chain could not be read."""
        self.trouble = self._contract.explain(str(problem))
        self._tell(ChainReadFailed(self._network, self.trouble))

    async def _pause(self) -> None:
        """Until the next read is due; how far that is may change meanwhile."""
        began = self._clock.monotonic()
        while not self._urgent:
            self._hurry.clear()
            try:
                async with asyncio.timeout(began + self.interval_s - self._clock.monotonic()):
                    await self._hurry.wait()
            except TimeoutError:
                return
