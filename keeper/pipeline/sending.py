"""The way out: an update is signed, goes to the journal, and is handed over; refusals are answered."""

import asyncio
from contextlib import suppress

from keeper.domain.errors import KeeperError, MandateLost, Refusal, SendRefused, Uncertain
from keeper.domain.events import FeeCapReached, PushSent
from keeper.domain.fees import offer
from keeper.domain.plan import Plan
from keeper.domain.transaction import (
    Attempt,
    Fate,
    Flight,
    Signed,
    Taken,
    Transaction,
    Unanswered,
    advance,
    next_offer,
)
from keeper.domain.units import Gas, Wei
from keeper.pipeline.flights import Flights
from keeper.pipeline.nonce_repair import NonceRepair
from keeper.ports import Note

_NO_OP_GAS = Gas(21_000)


class Sender:
    """Signs and hands over for the flights of one account."""

    def __init__(self, flights: Flights, repair: NonceRepair) -> None:
        self._flights = flights
        self._repair = repair
        self._config = flights.config
        self._outside = flights.outside
        self._view = flights.view

    async def sign(self, flight: Flight, plan: Plan | None) -> Flight:
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
        self._outside.mandate.assure()
        try:
            signed = await self._outside.signer.sign(
                Transaction(
                    chain_id=self._view.chain_id,
                    nonce=flight.nonce,
                    offer=price,
                    gas_limit=_NO_OP_GAS if plan is None else plan.gas_limit,
                    to=bytes.fromhex(self._outside.signer.address[2:]) if plan is None else self._config.contract,
                    value=Wei(0) if plan is None else plan.value,
                    data=b"" if plan is None else self._outside.chain.calldata(plan.blobs, plan.conditions),
                )
            )
            attempt = Attempt(signed, price, plan)
            tried = advance(flight, Signed(attempt), self._flights.now)
            await self._outside.journal.record(
                self._flights.account, tried, Note(self._outside.clock.now(), "signed", tx_hash=signed.hash)
            )
        except MandateLost:
            raise
        except KeeperError as exc:
            return await self._flights.stumble(flight, str(exc))
        if plan is not None:
            self._view.expect(flight.push, plan.prices)
        return await self.send(self._flights.keep(tried), attempt)

    async def _keep_alive(self, flight: Flight) -> Flight:
        """Nothing higher may be offered: what is out stays out, and what is not waits for lower fees.

        What was outbid is tried once more: the other one may be gone, or mined.
        """
        if flight.out or (flight.attempts and flight.newest.fate is Fate.OUTBID):
            return await self.send(flight, flight.newest)
        return await self._flights.stumble(flight, "fees are above MAX_FEE_GWEI")

    async def send(self, flight: Flight, attempt: Attempt) -> Flight:
        """Hand an attempt over: to the first endpoint that answers, or to all of them once that did not help."""
        first = attempt.fate is Fate.SIGNED
        repeats = not first and self._flights.is_on_time(flight)
        self._outside.mandate.assure()
        try:
            endpoint = await self._hand_over(flight, attempt)
        except SendRefused as refused:
            return await self._refused(flight, attempt, refused)
        except Uncertain as exc:
            unanswered = Unanswered(attempt.signed.hash, self._view.head, repeats)
            return await self._flights.step(
                flight, unanswered, "unanswered", tx_hash=attempt.signed.hash, detail=str(exc)
            )
        except KeeperError as exc:
            return await self._flights.stumble(flight, str(exc), attempt)
        if first:
            self._outside.emit(self._sent_event(flight, attempt, endpoint))
        fact = Taken(attempt.signed.hash, self._view.head, repeats)
        taken = await self._flights.step(flight, fact, "taken", tx_hash=attempt.signed.hash, endpoint=endpoint)
        return taken if first and len(flight.attempts) == 1 else await self._repair.check_for_gap(taken)

    async def _hand_over(self, flight: Flight, attempt: Attempt) -> str:
        """To the nodes, for no longer than the mandate lasts. Raises as Chain.broadcast does."""
        try:
            async with asyncio.timeout(self._outside.mandate.send_s):
                return await self._outside.chain.broadcast(attempt.signed, everywhere=bool(flight.out))
        except TimeoutError as exc:
            raise Uncertain("no node answered for as long as the mandate allows") from exc

    def _sent_event(self, flight: Flight, attempt: Attempt, endpoint: str) -> PushSent:
        plan = attempt.plan
        return PushSent(
            network=self._config.network,
            push=flight.push,
            nonce=flight.nonce,
            tx_hash=attempt.signed.hash,
            feeds=plan.feed_ids if plan else (),
            endpoint=endpoint,
            event_to_sent_s=self._flights.now - plan.newest_arrival if plan else 0.0,
            replaces=bool(flight.out),
        )

    async def _refused(self, flight: Flight, attempt: Attempt, refused: SendRefused) -> Flight:
        """Mend what a refusal complains about, where it can be mended; then the next try follows at once."""
        text = str(refused)
        try:
            match refused.refusal:
                case Refusal.NONCE_TOO_LOW | Refusal.NONCE_TOO_HIGH:
                    return await self._repair.misnumbered(flight, attempt, text)
                case Refusal.REPLACEMENT_UNDERPRICED:
                    return await self._repair.outbid(flight, attempt, text)
                case Refusal.UNDERPRICED:
                    await self._view.read()
                    return await self._flights.stumble(
                        flight, text, attempt, fate=Fate.REFUSED, at_once=True, too_cheap=True
                    )
                case Refusal.GAS_LIMIT | Refusal.WOULD_REVERT:
                    terms = await self._view.learn_terms()
                    if terms.refusal:
                        return await self._flights.stumble(
                            flight, terms.refusal, attempt, fate=Fate.REFUSED, hopeless=True
                        )
                case Refusal.POOL_FULL:
                    return await self._flights.stumble(flight, text, attempt, fate=Fate.REFUSED)
                case Refusal.INSUFFICIENT_FUNDS | Refusal.WRONG_CHAIN | Refusal.FEE_ABOVE_NODE_CAP | Refusal.TOO_LARGE:
                    return await self._flights.stumble(flight, text, attempt, fate=Fate.REFUSED, hopeless=True)
        except KeeperError as exc:
            return await self._flights.stumble(flight, f"{text}; then {exc}", attempt, fate=Fate.REFUSED)
        return await self._flights.stumble(flight, text, attempt, fate=Fate.REFUSED, at_once=True)
