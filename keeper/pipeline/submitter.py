"""Flights, from the first attempt to the final block: drives the state machine of `keeper.domain.transaction`.

Every push reserves a nonce, and a task flies it: `decide` says what to do, the task does it, `advance` says what came
of it. Each step goes to the journal before the next, and signed bytes are there before they leave the process.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from keeper.domain.errors import JournalError, KeeperError, Refusal, SendRefused, Uncertain
from keeper.domain.events import FeeCapReached, PushFinal, PushFinished, PushOrphaned, PushRetried, PushSent
from keeper.domain.fees import FeePolicy, offer
from keeper.domain.plan import Plan
from keeper.domain.transaction import (
    ENDED,
    Action,
    Attempt,
    Ended,
    Fact,
    Fate,
    Flight,
    Mined,
    Orphaned,
    Receipt,
    Renumbered,
    Resumed,
    Rules,
    Signed,
    State,
    Stumbled,
    Taken,
    Transaction,
    Unanswered,
    World,
    advance,
    decide,
    is_late,
    next_offer,
    next_try_at,
    recovered,
)
from keeper.domain.units import Gas, Wei
from keeper.pipeline.accounting import finished
from keeper.pipeline.inclusion import InclusionTime
from keeper.pipeline.nonces import Nonces
from keeper.pipeline.tracker import OnChainView
from keeper.ports import Account, Note, Outside, Recovered

Replan: TypeAlias = Callable[[], Plan | None]
"""What is due now."""

_NO_OP_GAS = Gas(21_000)
_ONCE_MORE_S = 1.0
"""Between two attempts to write to a journal that does not work."""
_TIMER_GRAIN_S = 0.001
_MOST_DOUBLINGS = 6
_SHORTEST_LOOK_S = 0.5
_LONGEST_LOOK_S = 60.0
_LIVE_LOOK_S = 10.0
"""While new blocks are told, each of them makes a flight look; this is in case they are not."""


@dataclass(frozen=True, slots=True)
class SubmitConfig:
    """How the pushes of one network are sent."""

    network: str
    contract: bytes
    """20 bytes."""
    rules: Rules
    retry_delay_s: float
    """Before the first retry; doubles with each."""
    fees: FeePolicy
    outbids: bool = True
    """Whether a higher fee replaces a transaction; not where the sequencer serves first come, first."""


class Submitter:
    """Flies the pushes of one account on one network."""

    def __init__(
        self, *, config: SubmitConfig, outside: Outside, view: OnChainView, landed: Callable[[PushFinished], None]
    ) -> None:
        self._config = config
        self._outside = outside
        self._view = view
        self._landed = landed
        self._flights: dict[int, Flight] = {}
        """Those that have not ended, by push."""
        self._stirred = asyncio.Event()
        self._reorganisations = 0
        self._checked: dict[int, int] = {}
        """Reorganisations before the last look at each flight, by push."""
        self._doubted: dict[int, int] = {}
        """The block at which the chain's nonces were first seen not to fit a push."""
        self._aside: set[int] = set()
        """Pushes that others go on without: they wait behind a nonce gap, or theirs seems to be used."""
        self._final_below = 0
        """All nonces before this one are used for good."""
        self._inclusion = InclusionTime()
        self.nonces = Nonces()

    @property
    def _account(self) -> Account:
        return Account(self._config.network, self._view.chain_id, self._outside.signer.address)

    @property
    def in_flight(self) -> int:
        """How many nonces are neither mined nor given back; without pushes set aside."""
        under_way = self._flights.keys() - self._aside
        return sum(self._flights[push].state is not State.INCLUDED for push in under_way)

    @property
    def unverified(self) -> bool:
        """Whether something recovered was not found at a node yet: new work waits for it."""
        under_way = self._flights.keys() - self._aside
        return any(self._flights[push].state is State.UNCERTAIN for push in under_way)

    @property
    def flights(self) -> tuple[Flight, ...]:
        """Those that have not ended."""
        return tuple(self._flights.values())

    async def recover(self) -> Recovered:
        """Take over what an earlier process left in the journal, and go on from the nonce that the chain tells."""
        left = await self._outside.journal.recover(self._account)
        self.nonces.restart_at(min(await self._outside.chain.mined_nonces()))
        self._flights.clear()
        now = self._outside.clock.monotonic()
        flights = [recovered(flight, now, self._view.head) for flight in left.flights]
        for flight in flights:
            self.nonces.skip_to(flight.nonce + 1)
            self._keep(flight)
            if flight.out and flight.receipt is None and flight.newest.plan is not None:
                self._view.expect(flight.push, flight.newest.plan.prices)
        return Recovered(flights, left.last_push)

    async def heard_of(self, mined: int) -> None:
        """By the word of one endpoint so many transactions are mined: a jump needs that of another one.

        Where there is no other, the next transaction will tell: it is refused if its nonce is used.
        """
        if self.nonces.next is not None and mined > self.nonces.next:
            told = await self._outside.chain.mined_nonces()
            if len(told) > 1:
                self.nonces.skip_to(min(mined, *told))

    async def spent_since(self, at: float) -> Wei:
        """Cost of the account's transactions mined since then, Unix seconds, by the journal."""
        return await self._outside.journal.spent(self._account, at)

    def reserve(self, push: int, plan: Plan) -> Flight:
        """A nonce for a push."""
        taken = {self._flights[each].nonce for each in self._aside}
        while (nonce := self.nonces.reserve()) in taken:
            pass
        flight = self._keep(Flight(push, nonce))
        self._view.expect(flight.push, plan.prices)
        return flight

    def stir(self) -> None:
        """Something happened on chain: every flight looks now."""
        self._stirred.set()
        self._stirred = asyncio.Event()

    def reorganised(self) -> None:
        """Blocks were taken back: receipts are to be checked."""
        self._reorganisations += 1
        self.stir()

    async def fly(self, flight: Flight, replan: Replan, *, plan: Plan | None = None) -> None:
        """See the flight through to its end; `plan` is what its first attempt carries."""
        if flight.out:
            flight = await self._look(flight)
        while flight.state not in ENDED:
            fresh = None if flight.receipt else plan or replan()
            plan = None
            action = decide(flight, self._world(flight, wanted=fresh is not None), self._config.rules)
            flight = await self._act(action, flight, fresh)
        del self._flights[flight.push]
        self._checked.pop(flight.push, None)
        self._trust(flight)
        self._view.forget(flight.push)
        if flight.end is not State.FINAL:
            self._landed(self._finished(flight))

    async def _act(self, action: Action, flight: Flight, fresh: Plan | None) -> Flight:
        match action:
            case Action.SIGN:
                assert fresh is not None
                return await self._sign(flight, fresh)
            case Action.CANCEL:
                return await self._sign(flight, None)
            case Action.SEND:
                return await self._send(flight, flight.newest)
            case Action.WAIT:
                return await self._wait(flight)
            case Action.SETTLE:
                return await self._settle(flight)
            case Action.RELEASE:
                self.nonces.release(flight.nonce)
                return await self._step(flight, Ended(State.RELEASED), "released")
            case Action.NONE:
                return flight
            case _:
                assert_never(action)

    def _world(self, flight: Flight, *, wanted: bool) -> World:
        return World(
            now=self._outside.clock.monotonic(),
            block=self._view.head,
            block_time_s=self._view.block_time_s,
            wanted=wanted,
            blocking=any(
                other.nonce > flight.nonce for other in self._flights.values() if other.push not in self._aside
            ),
            outbids=self._config.outbids and flight.push not in self._aside,
        )

    # Out

    async def _sign(self, flight: Flight, plan: Plan | None) -> Flight:
        """Sign another attempt, make it durable, and hand it over."""
        if flight.attempts and not self._view.live:
            with suppress(KeeperError):
                await self._view.read()
        fees, market = self._config.fees, self._view.market
        in_vain = bool(flight.out) and fees.is_priced_out(market)
        price = None if in_vain else next_offer(flight, offer(market, fees), fees.max_fee)
        if price is None:
            self._outside.emit(FeeCapReached(self._config.network, flight.push, self._config.fees.max_fee))
            return await self._keep_alive(flight)
        try:
            signed = await self._outside.signer.sign(
                Transaction(
                    chain_id=self._view.chain_id,
                    nonce=flight.nonce,
                    offer=price,
                    gas_limit=_NO_OP_GAS if plan is None else plan.gas_limit,
                    to=bytes.fromhex(self._outside.signer.address[2:]) if plan is None else self._config.contract,
                    value=Wei(0) if plan is None else plan.value,
                    data=b"" if plan is None else self._outside.chain.calldata(plan.blobs),
                )
            )
            attempt = Attempt(signed, price, plan)
            tried = advance(flight, Signed(attempt), self._outside.clock.monotonic())
            await self._outside.journal.record(
                self._account, tried, Note(self._outside.clock.now(), "signed", tx_hash=signed.hash)
            )
        except KeeperError as exc:
            return await self._stumble(flight, str(exc))
        if plan is not None:
            self._view.expect(flight.push, plan.prices)
        return await self._send(self._keep(tried), attempt)

    async def _keep_alive(self, flight: Flight) -> Flight:
        """Nothing higher may be offered: what is out stays out, and what is not waits for lower fees.

        What was outbid is tried once more: the other one may be gone, or mined.
        """
        if flight.out or (flight.attempts and flight.newest.fate is Fate.OUTBID):
            return await self._send(flight, flight.newest)
        return await self._stumble(flight, "fees are above MAX_FEE_GWEI")

    async def _send(self, flight: Flight, attempt: Attempt) -> Flight:
        """Hand an attempt over: to the first endpoint that answers, or to all of them once that did not help."""
        first = attempt.fate is Fate.SIGNED
        repeats = not first and self._is_on_time(flight)
        try:
            endpoint = await self._outside.chain.broadcast(attempt.signed, everywhere=bool(flight.out))
        except SendRefused as refused:
            return await self._refused(flight, attempt, refused)
        except Uncertain as exc:
            unanswered = Unanswered(attempt.signed.hash, self._view.head, repeats)
            return await self._step(flight, unanswered, "unanswered", tx_hash=attempt.signed.hash, detail=str(exc))
        except KeeperError as exc:
            return await self._stumble(flight, str(exc), attempt)
        if first:
            self._outside.emit(self._sent_event(flight, attempt, endpoint))
        fact = Taken(attempt.signed.hash, self._view.head, repeats)
        taken = await self._step(flight, fact, "taken", tx_hash=attempt.signed.hash, endpoint=endpoint)
        return taken if first and len(flight.attempts) == 1 else await self._check_for_gap(taken)

    def _is_on_time(self, flight: Flight) -> bool:
        """Whether something is out and not late."""
        return bool(flight.out) and not is_late(flight, self._world(flight, wanted=False), self._config.rules)

    def _sent_event(self, flight: Flight, attempt: Attempt, endpoint: str) -> PushSent:
        plan = attempt.plan
        return PushSent(
            network=self._config.network,
            push=flight.push,
            nonce=flight.nonce,
            tx_hash=attempt.signed.hash,
            feeds=plan.feed_ids if plan else (),
            endpoint=endpoint,
            event_to_sent_s=self._outside.clock.monotonic() - plan.newest_arrival if plan else 0.0,
            replaces=bool(flight.out),
        )

    async def _refused(self, flight: Flight, attempt: Attempt, refused: SendRefused) -> Flight:
        """Mend what a refusal complains about, where it can be mended; then the next try follows at once."""
        text = str(refused)
        try:
            match refused.refusal:
                case Refusal.NONCE_TOO_LOW | Refusal.NONCE_TOO_HIGH:
                    return await self._misnumbered(flight, attempt, text)
                case Refusal.REPLACEMENT_UNDERPRICED:
                    reached = self._nonce_reached(max(await self._outside.chain.mined_nonces()), flight)
                    if reached < flight.nonce and not flight.out and self.in_flight == 1:
                        return await self._renumber(flight, reached)
                    outbid = await self._stumble(flight, text, attempt, fate=Fate.OUTBID, at_once=True)
                    return await self._check_for_gap(outbid) if outbid.out else outbid
                case Refusal.UNDERPRICED:
                    await self._view.read()
                case Refusal.GAS_LIMIT | Refusal.WOULD_REVERT:
                    terms = await self._view.learn_terms()
                    if terms.refusal:
                        return await self._stumble(flight, terms.refusal, attempt, fate=Fate.REFUSED, hopeless=True)
                case Refusal.POOL_FULL:
                    return await self._stumble(flight, text, attempt, fate=Fate.REFUSED)
                case Refusal.INSUFFICIENT_FUNDS | Refusal.WRONG_CHAIN | Refusal.FEE_ABOVE_NODE_CAP | Refusal.TOO_LARGE:
                    return await self._stumble(flight, text, attempt, fate=Fate.REFUSED, hopeless=True)
        except KeeperError as exc:
            return await self._stumble(flight, f"{text}; then {exc}", attempt, fate=Fate.REFUSED)
        return await self._stumble(flight, text, attempt, fate=Fate.REFUSED, at_once=True)

    async def _misnumbered(self, flight: Flight, attempt: Attempt, text: str) -> Flight:
        """A node says that the nonce is not the next one: believe it only where the chain agrees.

        The refused bytes themselves may have used it, where something on their way has handed them over twice.
        """
        mined = await self._outside.chain.mined_nonces()
        if flight.out or min(mined) > flight.nonce:
            flight = await self._inquire(flight, widely=True)
            if flight.receipt is not None:
                return flight
        alone = self.in_flight == 1
        if min(mined) > flight.nonce:
            return await self._used_by_a_stranger(flight, min(mined), alone=alone)
        reached = self._nonce_reached(max(mined), flight)
        if reached < flight.nonce and alone and not flight.out:
            return await self._renumber(flight, reached)
        return await self._stumble(flight, text, attempt, fate=Fate.REFUSED)

    async def _used_by_a_stranger(self, flight: Flight, mined: int, *, alone: bool) -> Flight:
        """Receipts may lag behind nonces, and endpoints lie: what is out is given up when no reorganisation helps."""
        if not flight.out and alone:
            return await self._renumber(flight, mined)
        first_block = self._doubted.get(flight.push, self._view.head)
        if flight.out and (
            flight.push not in self._doubted or self._view.head < first_block + self._config.rules.confirmations
        ):
            self._doubt(flight, next_nonce=max(mined, self.nonces.next or 0))
            return await self._stumble(flight, "its nonce seems to be used by another transaction")
        self.nonces.skip_to(mined)
        return await self._step(flight, Ended(State.SUPERSEDED), "superseded")

    def _doubt(self, flight: Flight, *, next_nonce: int) -> None:
        """The chain's nonces do not fit the flight: at the second time others go on without it."""
        if flight.push in self._doubted and flight.push not in self._aside:
            self._aside.add(flight.push)
            self._view.forget(flight.push)
            self.nonces.restart_at(next_nonce)
        self._doubted.setdefault(flight.push, self._view.head)

    def _trust(self, flight: Flight) -> None:
        """It counts again."""
        self._doubted.pop(flight.push, None)
        self._aside.discard(flight.push)

    async def _renumber(self, flight: Flight, nonce: int) -> Flight:
        """Nothing of it is out and no other push is under way: go on with the account's real next nonce.

        Whoever used the other nonce may have written what this push is to bring.
        """
        await self._view.read()
        self.nonces.restart_at(nonce + 1)
        return await self._step(flight, Renumbered(nonce), "renumbered", detail=f"{flight.nonce} -> {nonce}")

    async def _check_for_gap(self, flight: Flight) -> Flight:
        """What had to be sent once more may wait behind a nonce that nobody will use."""
        try:
            mined = await self._outside.chain.mined_nonces()
        except KeeperError:
            return flight
        reached = self._nonce_reached(max(mined), flight)
        if reached >= flight.nonce:
            self._trust(flight)
            return flight
        self._doubt(flight, next_nonce=reached)
        if flight.push in self._aside:
            return flight
        return await self._stumble(flight, "it seems to wait behind a nonce that nobody uses")

    def _nonce_reached(self, mined: int, flight: Flight) -> int:
        """How far the account comes without the flight: what is mined, by our receipts too, and the flights before."""
        nonce = max(mined, self._final_below)
        for other in sorted(self._flights.values(), key=lambda each: each.nonce):
            if other is not flight and (other.receipt is not None or other.nonce == nonce):
                nonce = max(nonce, other.nonce + 1)
        return nonce

    async def _stumble(
        self,
        flight: Flight,
        problem: str,
        attempt: Attempt | None = None,
        *,
        fate: Fate = Fate.UNSENT,
        at_once: bool = False,
        hopeless: bool = False,
    ) -> Flight:
        """A try did not get anywhere: note why, and when the next one may follow."""
        hurry = at_once and flight.retries <= self._config.rules.retries
        doublings = 0 if flight.out else min(flight.retries, _MOST_DOUBLINGS)
        delay_s = 0.0 if hurry else self._config.retry_delay_s * 2**doublings
        fact = Stumbled(
            problem=problem,
            resume_at=self._outside.clock.monotonic() + delay_s,
            tx_hash=attempt.signed.hash if attempt else None,
            fate=fate,
            block=self._view.head,
            repeats=self._is_on_time(flight),
            hopeless=hopeless,
        )
        self._outside.emit(
            PushRetried(
                network=self._config.network,
                push=flight.push,
                attempt=flight.retries + 1,
                error=problem,
                delay_s=delay_s,
            )
        )
        return await self._step(flight, fact, "refused", tx_hash=fact.tx_hash, detail=problem)

    # Back

    async def _wait(self, flight: Flight) -> Flight:
        """Until it is time to try again, to look, or something stirs; then look."""
        if flight.state is State.RESERVED:
            return await self._rest(flight)
        stirred = self._stirred
        with suppress(TimeoutError):
            async with asyncio.timeout(max(self._patience_s(flight), _TIMER_GRAIN_S)):
                await stirred.wait()
        told_enough = flight.receipt is not None and self._view.live and not self._is_in_doubt(flight)
        return flight if told_enough else await self._look(flight)

    async def _rest(self, flight: Flight) -> Flight:
        """Until the next try is due, or the endpoints that could not be reached answer again."""
        try:
            async with asyncio.timeout(max(flight.resume_at - self._outside.clock.monotonic(), _TIMER_GRAIN_S)):
                if not flight.attempts or flight.newest.fate is not Fate.UNSENT:
                    await asyncio.Event().wait()
                await self._outside.chain.recovered()
        except TimeoutError:
            return flight
        return self._keep(advance(flight, Resumed(), self._outside.clock.monotonic()))

    def _is_in_doubt(self, flight: Flight) -> bool:
        """Whether blocks were taken back since the last look at it."""
        return self._checked.get(flight.push) != self._reorganisations

    def _patience_s(self, flight: Flight) -> float:
        now = self._outside.clock.monotonic()
        waited_s = now - flight.newest.since
        if self._view.live and flight.state is not State.UNCERTAIN:
            return _LIVE_LOOK_S if flight.receipt else min(next_try_at(flight, self._config.rules) - now, _LIVE_LOOK_S)
        if flight.receipt is not None:
            return min(max(self._view.block_time_s, waited_s / 2, _SHORTEST_LOOK_S), _LONGEST_LOOK_S)
        sent_just_now = waited_s < self._inclusion.first_look_s()
        return self._inclusion.first_look_s() - waited_s if sent_just_now else self._inclusion.next_look_s(waited_s)

    async def _look(self, flight: Flight) -> Flight:
        """Ask for the receipts of all attempts; without an answer nothing changes."""
        try:
            return await self._inquire(flight)
        except KeeperError:
            return flight

    async def _inquire(self, flight: Flight, *, widely: bool = False) -> Flight:
        """The same, and raises KeeperError; `widely`, or where a receipt is gone, by the word of two endpoints."""
        waited_s = self._outside.clock.monotonic() - flight.newest.since
        again = waited_s > self._inclusion.first_look_s() + _SHORTEST_LOOK_S
        hashes = [attempt.signed.hash for attempt in reversed(flight.attempts)]
        look = await self._outside.chain.look(hashes, with_block=again)
        receipts = look.receipts
        if not receipts and (widely or flight.receipt is not None):
            receipts = await self._outside.chain.search(hashes)
        self._checked[flight.push] = self._reorganisations
        if look.block is not None:
            self._view.saw_block(look.block)
        receipt = next(iter(receipts.values()), None)
        if flight.receipt is not None and (receipt is None or receipt.block_hash != flight.receipt.block_hash):
            flight = await self._orphaned(flight)
        if receipt is not None and flight.receipt is None:
            flight = await self._mined(flight, receipt)
        return flight

    async def _mined(self, flight: Flight, receipt: Receipt) -> Flight:
        """Mined: the view, the nonces and the account book follow."""
        flight = await self._step(flight, Mined(receipt), "mined", tx_hash=receipt.tx_hash)
        self._trust(flight)
        self.nonces.skip_to(flight.nonce + 1)
        attempt = flight.mined
        assert attempt is not None, "only receipts of attempts are asked for"
        if attempt.since:
            self._inclusion.learn(self._outside.clock.monotonic() - attempt.since)
        self._view.landed(receipt, attempt.plan)
        self._view.forget(flight.push)
        self._landed(self._finished(flight))
        return flight

    async def _orphaned(self, flight: Flight) -> Flight:
        """A reorganisation took the block away: the push is in flight again, and the view is read anew."""
        assert flight.receipt is not None
        attempt = flight.mined
        orphaned = await self._step(flight, Orphaned(self._view.head), "orphaned", tx_hash=flight.receipt.tx_hash)
        self._outside.emit(PushOrphaned(self._config.network, flight.push, flight.receipt.tx_hash))
        with suppress(KeeperError):
            await self._view.read(reorganised=True)
        if attempt is not None and attempt.plan is not None:
            self._view.expect(flight.push, attempt.plan.prices)
        return orphaned

    async def _settle(self, flight: Flight) -> Flight:
        """Deep enough: final if the receipt still stands."""
        receipt = flight.receipt
        try:
            looked = await self._inquire(flight)
        except KeeperError:
            return await self._wait(flight)
        if looked.receipt is None or looked.receipt is not receipt:
            return looked
        self._final_below = max(self._final_below, looked.nonce + 1)
        self._outside.emit(PushFinal(self._config.network, flight.push, looked.receipt.tx_hash))
        return await self._step(looked, Ended(State.FINAL), "final", tx_hash=looked.receipt.tx_hash)

    # Books

    def _keep(self, flight: Flight) -> Flight:
        self._flights[flight.push] = flight
        return flight

    async def _step(
        self,
        flight: Flight,
        fact: Fact,
        kind: str,
        *,
        tx_hash: bytes | None = None,
        endpoint: str = "",
        detail: str = "",
    ) -> Flight:
        """Take a fact in; the journal has it before the next step."""
        changed = self._keep(advance(flight, fact, self._outside.clock.monotonic()))
        note = Note(self._outside.clock.now(), kind, tx_hash, endpoint, detail)
        while True:
            try:
                await self._outside.journal.record(self._account, changed, note)
            except JournalError:
                await asyncio.sleep(_ONCE_MORE_S)
            else:
                return changed

    def _finished(self, flight: Flight) -> PushFinished:
        return finished(self._config.network, flight, now=self._outside.clock.monotonic())

    def abandon(self) -> list[PushFinished]:
        """The keeper stops: what is in flight stays with the chain and in the journal."""
        return [self._finished(flight) for flight in self._flights.values() if flight.out and flight.receipt is None]
