"""The books of one account: the flights that are under way, and every step of theirs in the journal."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from keeper.domain.errors import JournalError
from keeper.domain.events import PushFinished, PushRetried
from keeper.domain.transaction import (
    Attempt,
    Fact,
    Fate,
    Flight,
    State,
    Stumbled,
    World,
    advance,
    is_late,
)
from keeper.pipeline.accounting import finished
from keeper.pipeline.config import SubmitConfig
from keeper.pipeline.nonces import Nonces
from keeper.pipeline.tracker import OnChainView
from keeper.ports import Account, Note, Outside

_ONCE_MORE_S = 1.0
"""Between two attempts to write to a journal that does not work."""
_MOST_DOUBLINGS = 6
_HASHES_KEPT = 256


class Flights:
    """Those that have not ended, the account's nonces, and which flights others go on without."""

    def __init__(self, *, config: SubmitConfig, outside: Outside, view: OnChainView) -> None:
        self.config = config
        self.outside = outside
        self.view = view
        self.nonces = Nonces()
        self.final_below = 0
        """All nonces before this one are used for good."""
        self._flights: dict[int, Flight] = {}
        """By push."""
        self._doubted: dict[int, int] = {}
        """The block at which the chain's nonces were first seen not to fit a push."""
        self._landed: deque[bytes] = deque(maxlen=_HASHES_KEPT)
        """Hashes of flights that have ended."""
        self._aside: set[int] = set()
        """Pushes that others go on without: they wait behind a nonce gap, or theirs seems to be used."""
        self._untold: set[int] = set()
        """Pushes that are mined, and whose outcome is not told yet."""

    @property
    def account(self) -> Account:
        """Whose flights these are; only once the chain id is known."""
        return Account(self.config.network, self.view.chain_id, self.outside.signer.address)

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        return self.outside.clock.monotonic()

    @property
    def all(self) -> tuple[Flight, ...]:
        """Those that have not ended."""
        return tuple(self._flights.values())

    @property
    def under_way(self) -> tuple[Flight, ...]:
        """The same without those set aside."""
        return tuple(flight for flight in self.all if flight.push not in self._aside)

    @property
    def in_flight(self) -> int:
        """How many nonces are neither mined, with an outcome that was told, nor given back.

        One that is final is here until the journal has that: no push waits for it, as nobody would wake that one.
        """
        landed = {State.INCLUDED, State.FINAL}
        return sum(flight.state not in landed or flight.push in self._untold for flight in self.under_way)

    @property
    def longest_wait_s(self) -> float:
        """How long the oldest transaction that a node may hold has not been mined; 0 while there is none."""
        waiting = [flight.out[0].since for flight in self.all if flight.out and flight.receipt is None]
        return max(0.0, self.now - min(waiting, default=self.now))

    def reserve(self, push: int) -> Flight:
        """A nonce for a push."""
        taken = {flight.nonce for flight in self.all if flight.push in self._aside}
        while (nonce := self.nonces.reserve()) in taken:
            pass
        return self.keep(Flight(push, nonce))

    def take_over(self, flights: Iterable[Flight]) -> None:
        """Begin with these, of an earlier process."""
        self._flights.clear()
        self._doubted.clear()
        self._aside.clear()
        for flight in flights:
            self.nonces.skip_to(flight.nonce + 1)
            self.keep(flight)

    def keep(self, flight: Flight) -> Flight:
        """As it is now."""
        self._flights[flight.push] = flight
        return flight

    def close(self, flight: Flight) -> None:
        """It has ended."""
        del self._flights[flight.push]
        self._landed.extend(attempt.signed.hash for attempt in flight.attempts)
        self.trust(flight)
        self.view.forget(flight.push)

    def finished(self, flight: Flight) -> PushFinished:
        """What it came to, as things stand."""
        return finished(self.config.network, flight, now=self.now)

    @contextmanager
    def untold(self, flight: Flight) -> Iterator[None]:
        """Until its outcome is told nobody knows what to learn from it: it counts as in flight, mined or not."""
        self._untold.add(flight.push)
        try:
            yield
        finally:
            self._untold.discard(flight.push)

    def is_ours(self, tx_hash: bytes) -> bool:
        """Whether it was signed here, not too long ago."""
        tried = (attempt.signed.hash for flight in self.all for attempt in flight.attempts)
        return tx_hash in self._landed or tx_hash in tried

    # How it stands among the others

    def world(self, flight: Flight, *, wanted: bool) -> World:
        """What a decision depends on besides the flight."""
        market, fees = self.view.market, self.config.fees
        return World(
            now=self.now,
            block=self.view.head,
            block_time_s=self.view.block_time_s,
            wanted=wanted,
            blocking=any(other.nonce > flight.nonce for other in self.under_way),
            outbids=self.config.outbids and flight.push not in self._aside,
            first_come=not self.config.outbids and flight.push not in self._aside,
            base_fee=market.base_fee if self.config.outbids and not fees.is_priced_out(market) else None,
        )

    def is_on_time(self, flight: Flight) -> bool:
        """Whether something is out and not late."""
        return bool(flight.out) and not is_late(flight, self.world(flight, wanted=False), self.config.rules)

    def nonce_reached(self, mined: int, flight: Flight) -> int:
        """How far the account comes without the flight: what is mined, by our receipts too, and the flights before."""
        nonce = max(mined, self.final_below)
        for other in sorted(self.all, key=lambda each: each.nonce):
            if other is not flight and (other.receipt is not None or other.nonce == nonce):
                nonce = max(nonce, other.nonce + 1)
        return nonce

    # Doubts

    def doubt(self, flight: Flight, *, next_nonce: int) -> None:
        """The chain's nonces do not fit the flight: at the second time others go on without it."""
        if flight.push in self._doubted and flight.push not in self._aside:
            self._aside.add(flight.push)
            self.view.forget(flight.push)
            self.nonces.restart_at(next_nonce)
        self._doubted.setdefault(flight.push, self.view.head)

    def doubted_since(self, flight: Flight) -> int | None:
        """The block at which that was first seen; None where there is no doubt."""
        return self._doubted.get(flight.push)

    def is_aside(self, flight: Flight) -> bool:
        """Whether others go on without it."""
        return flight.push in self._aside

    def trust(self, flight: Flight) -> None:
        """It counts again."""
        self._doubted.pop(flight.push, None)
        self._aside.discard(flight.push)

    # Steps

    async def step(
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
        changed = self.keep(advance(flight, fact, self.now))
        note = Note(self.outside.clock.now(), kind, tx_hash, endpoint, detail)
        while True:
            try:
                await self.outside.journal.record(self.account, changed, note)
            except JournalError:
                await asyncio.sleep(_ONCE_MORE_S)
            else:
                return changed

    async def stumble(
        self,
        flight: Flight,
        problem: str,
        attempt: Attempt | None = None,
        *,
        fate: Fate = Fate.UNSENT,
        at_once: bool = False,
        hopeless: bool = False,
        too_cheap: bool = False,
    ) -> Flight:
        """A try did not get anywhere: note why, and when the next one may follow."""
        hurry = at_once and flight.retries <= self.config.rules.retries
        doublings = 0 if flight.out else min(flight.retries, _MOST_DOUBLINGS)
        delay_s = 0.0 if hurry else self.config.retry_delay_s * 2**doublings
        fact = Stumbled(
            problem=problem,
            resume_at=self.now + delay_s,
            tx_hash=attempt.signed.hash if attempt else None,
            fate=fate,
            block=self.view.head,
            repeats=self.is_on_time(flight),
            hopeless=hopeless,
            too_cheap=too_cheap,
        )
        self.outside.emit(
            PushRetried(
                network=self.config.network,
                push=flight.push,
                attempt=flight.retries + 1,
                error=problem,
                delay_s=delay_s,
            )
        )
        return await self.step(flight, fact, "refused", tx_hash=fact.tx_hash, detail=problem)
