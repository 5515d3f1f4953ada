"""One push from plan to receipt: sign, broadcast, retry with fresher prices, replace when late, account for it.

A push that no node took is retried a limited number of times. One that a node may hold is never given up: its nonce
stays its own until some attempt of it, or a stranger's transaction, has used it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from keeper.domain.errors import KeeperError, Refusal, SendRefused, Uncertain
from keeper.domain.events import PushFinished, PushRetried, PushSent
from keeper.domain.fees import GasOffer, bumped, offer, push_cost
from keeper.domain.plan import Plan
from keeper.domain.transaction import Outcome, Receipt, SignedTransaction, Transaction
from keeper.domain.units import Wei
from keeper.pipeline.inclusion import InclusionTime
from keeper.pipeline.nonces import Nonces
from keeper.pipeline.tracker import OnChainView
from keeper.ports import Chain, Clock, Emit, Signer


@dataclass(frozen=True, slots=True)
class Target:
    """What every push of one network has in common."""

    network: str
    contract: bytes
    """20 bytes."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How failures are met."""

    attempts: int
    """Retries after the first attempt, while no node holds the transaction."""
    delay_s: float
    """Before the first retry; doubles with each."""
    late_after_s: float
    """A transaction unmined for this long is replaced."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction of a push."""

    plan: Plan
    offer: GasOffer
    signed: SignedTransaction
    sent_at: float


@dataclass(slots=True)
class Flight:
    """A push under way."""

    push: int
    nonce: int
    retries: int = 0
    attempts: list[Attempt] = field(default_factory=list)
    """Those that a node holds or may hold, oldest first: any of them may be mined."""
    highest: GasOffer | None = None
    """The best offer made or known to be too low."""
    overtaken: bool = False
    """The nonce was seen used, without a receipt of ours."""


@dataclass(frozen=True, slots=True)
class _Problem:
    """Why an attempt did not get anywhere."""

    text: str
    at_once: bool = False
    """The cause was mended: try again without delay."""
    final: bool = False
    """The next attempt would fail as well."""


class Submitter:
    """Sends the pushes of one account on one network, one at a time."""

    def __init__(
        self,
        *,
        target: Target,
        chain: Chain,
        signer: Signer,
        view: OnChainView,
        clock: Clock,
        retry: RetryPolicy,
        tell: Emit,
    ) -> None:
        self._target = target
        self._chain = chain
        self._signer = signer
        self._view = view
        self._clock = clock
        self._retry = retry
        self._tell = tell
        self._inclusion = InclusionTime()
        self.nonces = Nonces()
        self.flight: Flight | None = None

    async def submit(self, push: int, plan: Plan, replan: Callable[[], Plan | None]) -> PushFinished:
        """Send the plan and see it through; retries and replacements send what `replan` gives then."""
        self.flight = flight = Flight(push, self.nonces.next)
        finished = await self._see_through(flight, plan, replan)
        self.flight = None
        return finished

    async def _see_through(self, flight: Flight, plan: Plan, replan: Callable[[], Plan | None]) -> PushFinished:
        while True:
            problem = await self._attempt(flight, plan)
            if flight.attempts:
                landed = await self._watch(flight)
                if landed is not None:
                    return self._landed(flight, *landed)
                if await self._is_overtaken(flight):
                    return self._ended(flight, plan, Outcome.SUPERSEDED, "its nonce was used by another transaction")
                problem = _Problem(f"not mined after {self._retry.late_after_s:g} s", at_once=True)
                await self._refresh_fees()
            elif problem is not None and (problem.final or flight.retries >= self._retry.attempts):
                outcome = Outcome.DROPPED if problem.final else Outcome.FAILED
                return self._ended(flight, plan, outcome, problem.text)
            assert problem is not None, "an attempt that met no problem is held by a node"
            await self._pause(flight, problem)
            fresh = replan()
            if fresh is None and not flight.attempts:
                return self._ended(flight, plan, Outcome.DROPPED, f"no longer due after: {problem.text}")
            plan = fresh or plan

    async def _attempt(self, flight: Flight, plan: Plan) -> _Problem | None:
        """Sign and broadcast once; None if a node took it."""
        market_offer = offer(self._view.market)
        chosen = market_offer if flight.highest is None else bumped(flight.highest, market_offer)
        signed = await self._signer.sign(
            Transaction(
                chain_id=self._view.chain_id,
                nonce=flight.nonce,
                offer=chosen,
                gas_limit=plan.gas_limit,
                to=self._target.contract,
                value=plan.value,
                data=self._chain.calldata(plan.blobs),
            )
        )
        attempt = Attempt(plan, chosen, signed, self._clock.monotonic())
        try:
            endpoint = await self._chain.broadcast(signed)
        except SendRefused as refused:
            return await self._answer(flight, attempt, refused)
        except Uncertain as exc:
            self._hold(flight, attempt)
            return _Problem(str(exc))
        except KeeperError as exc:
            return _Problem(str(exc))
        self._hold(flight, attempt)
        self._tell(
            PushSent(
                network=self._target.network,
                push=flight.push,
                nonce=flight.nonce,
                tx_hash=signed.hash,
                feeds=plan.feed_ids,
                endpoint=endpoint,
                event_to_sent_s=self._clock.monotonic() - plan.newest_arrival,
            )
        )
        return None

    @staticmethod
    def _hold(flight: Flight, attempt: Attempt) -> None:
        flight.attempts.append(attempt)
        flight.highest = attempt.offer

    async def _answer(self, flight: Flight, attempt: Attempt, refused: SendRefused) -> _Problem:
        """Mend what a refusal complains about, where it can be mended."""
        text = str(refused)
        try:
            match refused.refusal:
                case Refusal.NONCE_TOO_LOW | Refusal.NONCE_TOO_HIGH:
                    return await self._renumber(flight, text)
                case Refusal.REPLACEMENT_UNDERPRICED:
                    flight.highest = attempt.offer
                case Refusal.UNDERPRICED:
                    await self._view.read()
                case Refusal.GAS_LIMIT | Refusal.WOULD_REVERT:
                    terms = await self._view.learn_terms()
                    return _Problem(terms.refusal or text, at_once=not terms.refusal, final=bool(terms.refusal))
                case Refusal.POOL_FULL:
                    return _Problem(text)
                case Refusal.INSUFFICIENT_FUNDS | Refusal.WRONG_CHAIN | Refusal.FEE_ABOVE_NODE_CAP | Refusal.TOO_LARGE:
                    return _Problem(text, final=True)
        except KeeperError as exc:
            return _Problem(f"{text}; then {exc}")
        return _Problem(text, at_once=True)

    async def _renumber(self, flight: Flight, text: str) -> _Problem:
        """Not the account's next nonce: take the chain's word, unless an attempt of ours may have used it."""
        if flight.attempts:
            return _Problem(text)
        mined = await self._chain.mined_nonce()
        moved = mined != flight.nonce
        self.nonces.sync(mined)
        flight.nonce = mined
        flight.highest = None
        return _Problem(text, at_once=moved)

    async def _refresh_fees(self) -> None:
        try:
            await self._view.read()
        except KeeperError:
            return  # the replacement is bumped over the last offer all the same

    async def _watch(self, flight: Flight) -> tuple[Attempt, Receipt] | None:
        """Wait until an attempt is mined, or until the last one is late."""
        started = flight.attempts[-1].sent_at
        pause = self._inclusion.first_look_s()
        while True:
            await asyncio.sleep(pause)
            landed = await self._look(flight)
            waited = self._clock.monotonic() - started
            if landed is not None or waited >= self._retry.late_after_s:
                return landed
            pause = self._inclusion.next_look_s(waited)

    async def _look(self, flight: Flight) -> tuple[Attempt, Receipt] | None:
        """Ask once for the receipt of every attempt, the newest first."""
        for attempt in reversed(flight.attempts):
            try:
                receipt = await self._chain.receipt(attempt.signed.hash)
            except KeeperError:
                continue
            if receipt is not None:
                return attempt, receipt
        return None

    async def _is_overtaken(self, flight: Flight) -> bool:
        """Whether the nonce was used by a stranger: seen twice, since receipts may lag behind the nonce."""
        try:
            mined = await self._chain.mined_nonce()
        except KeeperError:
            return False
        if mined <= flight.nonce:
            flight.overtaken = False
            return False
        if flight.overtaken:
            self.nonces.sync(mined)
            return True
        flight.overtaken = True
        return False

    async def _pause(self, flight: Flight, problem: _Problem) -> None:
        """Tell of the retry and wait for its time."""
        delay_s = 0.0 if problem.at_once else self._retry.delay_s * 2**flight.retries
        flight.retries += 1
        self._tell(
            PushRetried(
                network=self._target.network,
                push=flight.push,
                attempt=flight.retries,
                error=problem.text,
                delay_s=delay_s,
            )
        )
        await asyncio.sleep(delay_s)

    def _landed(self, flight: Flight, attempt: Attempt, receipt: Receipt) -> PushFinished:
        """An attempt was mined: the view, the nonce and the account book follow."""
        now = self._clock.monotonic()
        plan = attempt.plan
        self._inclusion.learn(now - attempt.sent_at)
        self.nonces.used(flight.nonce)
        self._view.landed(receipt, plan.prices, plan.shape, gas_limit=plan.gas_limit)
        written = tuple(write.feed_id for write in receipt.writes if write.feed_id in plan.prices)
        if not receipt.succeeded:
            outcome, detail = Outcome.REVERTED, f"reverted after {receipt.gas_used} of {plan.gas_limit} gas"
        else:
            outcome, detail = (Outcome.CONFIRMED if written else Outcome.NOTHING_NEWER), ""
        return PushFinished(
            network=self._target.network,
            push=flight.push,
            outcome=outcome,
            feeds=plan.feed_ids,
            written=written,
            retries=flight.retries,
            detail=detail,
            tx_hash=receipt.tx_hash,
            block=receipt.block_number,
            gas_used=receipt.gas_used,
            gas_price=receipt.effective_gas_price,
            cost=push_cost(
                receipt.gas_used,
                receipt.effective_gas_price,
                receipt.l1_fee,
                plan.value if receipt.succeeded else Wei(0),
            ),
            latency_s=now - plan.newest_arrival,
        )

    def dropped(self, push: int, plan: Plan, detail: str) -> PushFinished:
        """A push that is not even tried."""
        return self._ended(Flight(push, self.nonces.next), plan, Outcome.DROPPED, detail)

    def _ended(self, flight: Flight, plan: Plan, outcome: Outcome, detail: str) -> PushFinished:
        """A push ended without a receipt."""
        return PushFinished(
            network=self._target.network,
            push=flight.push,
            outcome=outcome,
            feeds=plan.feed_ids,
            written=(),
            retries=flight.retries,
            detail=detail,
            tx_hash=flight.attempts[-1].signed.hash if flight.attempts else None,
        )

    def abandon(self) -> PushFinished | None:
        """The keeper stops: what is still in flight stays with the chain, its hash is told."""
        if self.flight is None or not self.flight.attempts:
            return None
        flight, self.flight = self.flight, None
        return self._ended(
            flight, flight.attempts[-1].plan, Outcome.UNRESOLVED, "still in flight when the keeper stopped"
        )
