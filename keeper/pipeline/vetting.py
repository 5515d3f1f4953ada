"""Whether updates are good: found out here before they are paid for, and by the chain where it tells for free."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Never

from keeper.domain.errors import InvalidUpdate, KeeperError
from keeper.domain.events import PushFinished
from keeper.domain.plan import Part, Plan
from keeper.domain.transaction import Outcome
from keeper.pipeline.buffer import Buffer
from keeper.pipeline.signatures import Signatures
from keeper.pipeline.tracker import OnChainView
from keeper.pipeline.trust import Sender, Trust
from keeper.ports import Clock

_LOOK_S = 1.0
"""How often to see whether a trial is due."""
_NO_FAULT_OF_SOURCES = "InsufficientFee"
"""A contract's error that needs no inquiry into who sent the prices."""


class Vetting:
    """Tries what sources send, and draws the consequences for the network's trust in them."""

    def __init__(
        self, *, trust: Trust, buffer: Buffer, view: OnChainView, signatures: Signatures, clock: Clock
    ) -> None:
        self._trust = trust
        self._buffer = buffer
        self._view = view
        self._signatures = signatures
        self._clock = clock
        self._carried: dict[int, Plan] = {}
        """What pushes in flight carry, by their number."""
        self._failed: list[Plan] = []
        """Plans that came to nothing, and nobody has asked yet why."""

    def carries(self, push: int, plan: Plan) -> None:
        """Note what the push carries now."""
        self._carried[push] = plan

    def ended(self, finished: PushFinished) -> None:
        """A push has ended; where it failed, its sources may be to blame."""
        plan = self._carried.pop(finished.push, None)
        failed = finished.outcome in {Outcome.REVERTED, Outcome.DROPPED} and _NO_FAULT_OF_SOURCES not in finished.detail
        if plan is not None and failed:
            self._failed.append(plan)

    def forget(self) -> None:
        """What is in flight is watched no more."""
        self._carried.clear()

    async def failed_by_their_sources(self) -> Sequence[Plan]:
        """The plans that have failed since the last call for a source that is found to be bad, and has a substitute."""
        failed, self._failed = self._failed, []
        for plan in failed:
            with suppress(KeeperError):
                await self.ask(plan)
        return [plan for plan in failed if self.is_doubtful(plan) and self._trust.has_alternative]

    def best(self, make: Callable[[], Plan | None]) -> tuple[Plan | None, str]:
        """A plan whose proofs and signatures hold, made anew as often as a source in it is found to be bad.

        The text says why it must not go out all the same: there is no better source. It is empty otherwise.
        """
        while True:
            plan = make()
            known = plan is not None and self.is_doubtful(plan)
            fault = "" if plan is None else self._found_faulty(plan)
            if not fault or known:
                return plan, fault

    async def sound(self, make: Callable[[], Plan | None], *, wary: bool) -> tuple[Plan | None, str]:
        """The same; a plan from a source that is refused, or any while `wary`, is tried on the chain, which is free.

        Where that shows that its source is bad, the next one's turn comes at once.
        """
        while True:
            plan, refusal = self.best(make)
            if plan is not None and await self._learned_of(plan):
                continue
            doubtful = plan is not None and self.is_doubtful(plan)
            if plan is None or refusal or not (doubtful or wary):
                return plan, refusal
            try:
                refusal = await self.ask(plan)
            except KeeperError as exc:
                return plan, str(exc)
            if not refusal:
                return self.best(make)
            if doubtful or not self.is_doubtful(plan):
                return plan, refusal

    async def _learned_of(self, plan: Plan) -> bool:
        """Whether it is known only now who is to sign some part of it."""
        return any([await self._signatures.settle(part.update) for part in plan.parts])

    def is_doubtful(self, plan: Plan) -> bool:
        """Whether a source in it was refused the last time."""
        return any(self._trust.is_refused(Sender(part.source, part.update.envelope)) for part in plan.parts)

    async def ask(self, plan: Plan) -> str:
        """Try each part on the chain; the first refusal. Raises KeeperError where the chain does not answer."""
        refusal = ""
        for part in plan.parts:
            terms = await self._view.learn_terms((part.feeds[0], part.update))
            refusal = refusal or terms.refusal
            if terms.untrusted:
                self._refuse(part, terms.refusal)
            elif not terms.refusal:
                self._accept(Sender(part.source, part.update.envelope))
        return refusal

    async def try_all(self) -> None:
        """Give every source whose trial is due its trial; raises KeeperError where the chain does not answer."""
        for origin in self._trust.to_try(self._clock.monotonic()):
            await self._try(origin)

    async def try_forever(self) -> Never:
        """The same, whenever trials are due."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self.try_all()
            except KeeperError:
                continue

    async def _try(self, origin: Sender) -> None:
        sample = self._buffer.sample(origin.source)
        if sample is None or sample[1].envelope != origin.envelope:
            return
        feed_id, update = sample
        part = Part(origin.source, update, (feed_id,))
        await self._signatures.settle(update)
        fault = self._fault(part)
        if not fault:
            terms = await self._view.learn_terms(sample)
            fault = terms.refusal if terms.untrusted else ""
        if fault:
            self._refuse(part, fault)
        else:
            self._accept(origin)

    def _found_faulty(self, plan: Plan) -> str:
        """Refuse the sources of those parts that do not hold; what is wrong with the first of them, or nothing."""
        faults = [(part, self._fault(part)) for part in plan.parts]
        for part, fault in faults:
            if fault:
                self._refuse(part, fault)
        return next((fault for _, fault in faults if fault), "")

    def _fault(self, part: Part) -> str:
        try:
            part.update.prove(part.feeds)
            self._signatures.check(part.update)
        except InvalidUpdate as exc:
            return str(exc)
        return ""

    def _refuse(self, part: Part, why: str) -> None:
        """The bytes are bad, whoever sent them."""
        for source in sorted({part.source, *self._buffer.senders(part.update)}):
            self._trust.refuse(Sender(source, part.update.envelope), why, self._clock.monotonic())
        self._buffer.renew(self._clock.now())

    def _accept(self, origin: Sender) -> None:
        if not self._trust.is_trusted(origin):
            self._trust.accept(origin)
            self._buffer.renew(self._clock.now())
