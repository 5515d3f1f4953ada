"""The way back: looks for receipts, notices reorganisations, and calls a push final."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from keeper.domain.errors import KeeperError
from keeper.domain.events import PushFinal, PushFinished, PushOrphaned
from keeper.domain.transaction import (
    Ended,
    Fate,
    Flight,
    Mined,
    Orphaned,
    Receipt,
    Resumed,
    State,
    advance,
    is_late,
    next_try_at,
)
from keeper.pipeline.flights import Flights
from keeper.pipeline.inclusion import InclusionTime

_TIMER_GRAIN_S = 0.001
_SHORTEST_LOOK_S = 0.5
_LONGEST_LOOK_S = 60.0
_LIVE_LOOK_S = 10.0
"""While the chain tells what happens, a flight looks when it is mined; this, or three blocks, is the longest."""
_LIVE_LOOK_BLOCKS = 3
_BLOCKS_WITHOUT_WORD = 2
"""A push that stored nothing is not told: after so many blocks it is looked for."""


class Watcher:
    """Waits with the flights of one account, and looks what the chain made of them."""

    def __init__(self, flights: Flights, *, landed: Callable[[PushFinished], None]) -> None:
        self._flights = flights
        self._config = flights.config
        self._outside = flights.outside
        self._view = flights.view
        self._landed = landed
        self._stirred = asyncio.Event()
        self._reorganisations = 0
        self._checked: dict[int, int] = {}
        """Reorganisations before the last look at each flight, by push."""
        self._told: set[int] = set()
        """Pushes whose transaction the chain told to be mined."""
        self._looked_at: dict[int, int] = {}
        """The block at the last look for each flight, by push."""
        self._inclusion = InclusionTime()

    def told(self, tx_hash: bytes) -> None:
        """The chain told what this transaction stored: whose it is shall look."""
        for flight in self._flights.all:
            if any(attempt.signed.hash == tx_hash for attempt in flight.attempts):
                self._told.add(flight.push)

    def stir(self) -> None:
        """Something happened on chain: every flight looks now."""
        self._stirred.set()
        self._stirred = asyncio.Event()

    def reorganised(self) -> None:
        """Blocks were taken back: receipts are to be checked."""
        self._reorganisations += 1
        self.stir()

    def close(self, flight: Flight) -> None:
        """It has ended."""
        self._checked.pop(flight.push, None)
        self._looked_at.pop(flight.push, None)
        self._told.discard(flight.push)

    async def wait(self, flight: Flight) -> Flight:
        """Until it is time to try again, to look, or something stirs; then look."""
        if flight.state is State.RESERVED:
            return await self._rest(flight)
        stirred = self._stirred
        try:
            async with asyncio.timeout(max(self._patience_s(flight), _TIMER_GRAIN_S)):
                await stirred.wait()
        except TimeoutError:
            needs_look = not self._is_settled(flight)
        else:
            needs_look = self._has_news(flight)
        return await self.look(flight) if needs_look else flight

    def _is_settled(self, flight: Flight) -> bool:
        """Whether its receipt stands, as far as the chain tells."""
        return flight.receipt is not None and self._view.live and not self._is_in_doubt(flight)

    def _was_deep(self, flight: Flight) -> bool:
        """Whether it was deep enough at the last look, which found its receipt, and no block was taken back since."""
        assert flight.receipt is not None
        depth = self._looked_at.get(flight.push, 0) - flight.receipt.block_number
        return depth >= self._config.rules.confirmations and not self._is_in_doubt(flight)

    def _has_news(self, flight: Flight) -> bool:
        """Whether what stirred it is worth a request: stored prices are told, a push that stored none is not."""
        if not self._view.live or flight.state is State.UNCERTAIN or flight.push in self._told:
            return not self._is_settled(flight)
        if flight.receipt is not None or flight.state is State.CANCELLING:
            return not self._is_settled(flight)
        if is_late(flight, self._flights.world(flight, wanted=False), self._config.rules):
            return True
        looked_at = self._looked_at.get(flight.push, flight.newest.since_block)
        return self._is_in_doubt(flight) or self._view.head >= looked_at + _BLOCKS_WITHOUT_WORD

    async def _rest(self, flight: Flight) -> Flight:
        """Until the next try is due, or the endpoints that could not be reached answer again."""
        try:
            async with asyncio.timeout(max(flight.resume_at - self._flights.now, _TIMER_GRAIN_S)):
                if not flight.attempts or flight.newest.fate is not Fate.UNSENT:
                    await asyncio.Event().wait()
                await self._outside.chain.recovered()
        except TimeoutError:
            return flight
        return self._flights.keep(advance(flight, Resumed(), self._flights.now))

    def _is_in_doubt(self, flight: Flight) -> bool:
        """Whether blocks were taken back since the last look at it."""
        return self._checked.get(flight.push) != self._reorganisations

    def _patience_s(self, flight: Flight) -> float:
        now = self._flights.now
        waited_s = now - flight.newest.since
        if self._view.live and flight.state is not State.UNCERTAIN:
            live_look_s = max(_LIVE_LOOK_S, _LIVE_LOOK_BLOCKS * self._view.block_time_s)
            return live_look_s if flight.receipt else min(next_try_at(flight, self._config.rules) - now, live_look_s)
        if flight.receipt is not None:
            missing = flight.receipt.block_number + self._config.rules.confirmations - self._view.head
            deep_in_s = max(missing, 1) * self._view.block_time_s
            return min(max(deep_in_s, waited_s / 2, _SHORTEST_LOOK_S), _LONGEST_LOOK_S)
        sent_just_now = waited_s < self._inclusion.first_look_s()
        return self._inclusion.first_look_s() - waited_s if sent_just_now else self._inclusion.next_look_s(waited_s)

    async def look(self, flight: Flight) -> Flight:
        """Ask for the receipts of all attempts; without an answer nothing changes."""
        try:
            return await self.inquire(flight)
        except KeeperError:
            return flight

    async def inquire(self, flight: Flight, *, widely: bool = False) -> Flight:
        """The same, and raises KeeperError; `widely`, or where a receipt is gone, by the word of two endpoints."""
        waited_s = self._flights.now - flight.newest.since
        again = not self._view.live and waited_s > self._inclusion.first_look_s() + _SHORTEST_LOOK_S
        hashes = [attempt.signed.hash for attempt in reversed(flight.attempts)]
        look = await self._outside.chain.look(hashes, with_block=again)
        receipts = look.receipts
        if not receipts and (widely or flight.receipt is not None):
            receipts = await self._outside.chain.search(hashes)
        self._checked[flight.push] = self._reorganisations
        if look.block is not None:
            self._view.saw_block(look.block, look.base_fee)
        self._looked_at[flight.push] = self._view.head
        receipt = next(iter(receipts.values()), None)
        if flight.receipt is not None and (receipt is None or receipt.block_hash != flight.receipt.block_hash):
            flight = await self._orphaned(flight)
        if receipt is not None and flight.receipt is None:
            with self._flights.untold(flight):
                flight = await self._mined(flight, receipt)
        return flight

    async def _mined(self, flight: Flight, receipt: Receipt) -> Flight:
        """Mined: the view, the nonces and the account book follow."""
        if not receipt.succeeded:
            receipt = replace(receipt, error=await self._error(flight, receipt))
        flight = await self._flights.step(flight, Mined(receipt), "mined", tx_hash=receipt.tx_hash)
        self._flights.trust(flight)
        self._flights.nonces.skip_to(flight.nonce + 1)
        attempt = flight.mined
        assert attempt is not None, "only receipts of attempts are asked for"
        if attempt.since:
            self._inclusion.learn(self._flights.now - attempt.since)
        self._view.landed(receipt, attempt.plan)
        if attempt.plan is not None and not (receipt.writes and self._view.knows(attempt.plan.prices)):
            await self._read_anew()
        self._view.forget(flight.push)
        self._landed(self._flights.finished(flight))
        return flight

    async def _error(self, flight: Flight, receipt: Receipt) -> str:
        """Why the contract refused it: what it says to the same push after the block. Empty where it does not tell."""
        plan = next((each.plan for each in flight.attempts if each.signed.hash == receipt.tx_hash), None)
        if plan is None or not plan.blobs:
            return ""
        calldata = self._outside.chain.calldata(plan.blobs, plan.conditions)
        try:
            return await self._outside.chain.error_of(calldata, plan.value, receipt.block_number)
        except KeeperError:
            return ""

    async def _read_anew(self) -> None:
        """What is on chain is not what was thought, nor perhaps the update fee; the next poll tells if nobody does.

        Until it is told, the push counts as in flight: what it carried is not pushed again on what was thought.
        """
        with suppress(KeeperError):
            await self._view.glance()
            if self._view.terms_are_due:
                await self._view.learn_terms()

    async def _orphaned(self, flight: Flight) -> Flight:
        """A reorganisation took the block away: the push is in flight again, and the view is read anew."""
        assert flight.receipt is not None
        attempt = flight.mined
        orphaned = await self._flights.step(
            flight, Orphaned(self._view.head), "orphaned", tx_hash=flight.receipt.tx_hash
        )
        self._outside.emit(PushOrphaned(self._config.network, flight.push, flight.receipt.tx_hash))
        with suppress(KeeperError):
            await self._view.read(reorganised=True)
        if attempt is not None and attempt.plan is not None:
            self._view.expect(flight.push, attempt.plan.prices)
        return orphaned

    async def settle(self, flight: Flight) -> Flight:
        """Deep enough: final if the receipt still stands."""
        receipt = flight.receipt
        try:
            looked = flight if self._is_settled(flight) or self._was_deep(flight) else await self.inquire(flight)
        except KeeperError:
            return await self.wait(flight)
        if looked.receipt is None or looked.receipt is not receipt:
            return looked
        self._flights.final_below = max(self._flights.final_below, looked.nonce + 1)
        self._outside.emit(PushFinal(self._config.network, flight.push, looked.receipt.tx_hash))
        return await self._flights.step(looked, Ended(State.FINAL), "final", tx_hash=looked.receipt.tx_hash)
