"""The mandate for one shard by a lease: the elector's driver, and what the flow asks of it."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Never

from keeper.coordination.elector import (
    Ended,
    Fact,
    Overtaken,
    Refused,
    Seen,
    Standing,
    Step,
    Written,
    acquired,
    advance,
    decide,
    released,
    renewed,
)
from keeper.coordination.lease import Conflict, Lease, LeaseStore, Pace, shard_of
from keeper.coordination.shards import CLAIM, hold_back_s
from keeper.coordination.trouble import Trouble
from keeper.domain.errors import KeeperError, MandateLost
from keeper.domain.events import LeadershipGained, LeadershipLost
from keeper.domain.status import Leadership
from keeper.ports import Account, Clock, Emit

_MICRO = 1_000_000
_JITTER = 0.1
_TIMER_GRAIN_S = 0.001
"""No wait is shorter."""
_WRITING = "writing"
_TOO_LATE = "its lease could not be renewed in time"
_GIVEN_BACK = "given back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What the mandates of one process have in common."""

    store: LeaseStore
    identity: str
    """Differs for every process that ever was."""
    pace: Pace
    boottime: Callable[[], float]
    """The clock that leases are counted by."""
    clock: Clock
    emit: Emit
    trouble: Trouble
    dice: Callable[[float, float], float] = random.uniform
    look: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the store is to be read at once."""
    held: set[str] = field(default_factory=set)
    """The shards that this process holds."""

    @property
    def now_us(self) -> int:
        """Unix microseconds."""
        return int(self.clock.now() * _MICRO)


class LeaseMandate:
    """See Mandate. Holds while `run` runs, and for the rest of its lease after."""

    def __init__(self, network: str, office: Office) -> None:
        self._network = network
        self._office = office
        self._standing = Standing(office.identity, office.pace)
        self._shard = ""
        self._wanted = False
        self._gained_at: float | None = None
        self._turn = asyncio.Lock()
        self._stirred = asyncio.Event()
        self._gained = asyncio.Event()
        self._lost = asyncio.Event()
        self._asked_back = asyncio.Event()

    # What the flow asks

    @property
    def send_s(self) -> float:
        """See Mandate."""
        return self._office.pace.send_s

    async def gain(self, account: Account) -> None:
        """See Mandate."""
        self._shard = shard_of(account)
        self._wanted = True
        self._asked_back.clear()
        self._stirred.set()
        self._office.look.set()
        await self._gained.wait()

    def assure(self) -> None:
        """See Mandate."""
        if not self._standing.is_sure(self._office.boottime()):
            self._learn(Ended(_TOO_LATE))
            raise MandateLost(f"the mandate for {self._shard} does not hold: {self._standing.over}")

    async def asked_back(self) -> None:
        """See Mandate."""
        await self._asked_back.wait()

    async def lost(self) -> None:
        """See Mandate."""
        await self._lost.wait()

    def overtaken(self, why: str) -> None:
        """See Mandate."""
        if self._standing.term is not None:
            self._learn(Overtaken(why))

    async def release(self) -> None:
        """See Mandate."""
        self._wanted = False
        async with self._turn:
            lease = self._standing.lease
            if self._standing.known and (lease is None or lease.holder != self._office.identity):
                return
            self._learn(Ended(_GIVEN_BACK))
            with suppress(KeeperError, TimeoutError):  # it runs out by itself
                async with asyncio.timeout(self._office.pace.renew_s):
                    await self._let_go()

    async def _let_go(self) -> None:
        """Empty the record, if it is ours; what others have noted stays, but for a claim that this does not meet."""
        while True:
            lease = (await self._office.store.read()).get(self._shard)
            if lease is None or lease.holder != self._office.identity:
                return
            try:
                free = released(lease) if self._asked_back.is_set() else released(lease).noting(**{CLAIM: ""})
                await self._office.store.write(self._shard, free)
            except Conflict:
                continue
            return

    def status(self) -> Leadership:
        """See Mandate."""
        held, lease = self._standing.term is not None, self._standing.lease or Lease()
        theirs = lease.acquired_us / _MICRO if lease.holder else None
        return Leadership(
            held=held,
            shard=self._shard,
            holder=lease.holder,
            epoch=lease.epoch,
            since=self._gained_at if held else theirs,
            trouble=str(self._office.trouble),
        )

    # What the elections tell

    @property
    def shard(self) -> str:
        """What it stands for; empty before that is known."""
        return self._shard

    @property
    def is_waiting(self) -> bool:
        """Whether it stands by for the shard."""
        return self._wanted and self._standing.term is None

    def see(self, lease: Lease | None, asked_at: float) -> None:
        """The store holds this, by an answer to what was asked at that moment of boot time."""
        self._learn(Seen(lease, asked_at))
        self._stirred.set()

    def ask_back(self) -> None:
        """Another replica should have it."""
        self._asked_back.set()

    # The driver

    async def run(self) -> Never:
        """Acquire it whenever it is wanted and free, and keep it."""
        while True:
            self._stirred.clear()
            async with self._turn:
                until = await self._step()
            if until is not None:
                await self._rest(until)

    async def _step(self) -> float | None:
        """Take one; returns until when there is none to take, or None where there may be another."""
        standing, office = self._standing, self._office
        hold_back = 0.0 if standing.lease is None else hold_back_s(office.identity, standing.lease, len(office.held))
        decision = decide(standing, office.boottime(), wanted=self._wanted, hold_back_s=hold_back)
        match decision.step:
            case Step.WAIT:
                return decision.until
            case Step.ACQUIRE:
                await self._write(acquired(standing, office.now_us))
            case Step.RENEW:
                assert standing.lease is not None
                await self._write(renewed(standing.lease, office.now_us))
            case Step.END:
                self._learn(Ended(_TOO_LATE))
        return None

    async def _write(self, lease: Lease) -> None:
        office, asked_at = self._office, self._office.boottime()
        try:
            async with asyncio.timeout(self._patience_s(asked_at)):
                kept = await office.store.write(self._shard, lease)
        except Conflict:
            self._learn(Refused())
            office.look.set()
        except (KeeperError, TimeoutError) as exc:
            self._learn(Refused())
            office.look.set()
            office.trouble.arises(_WRITING, str(exc) or "no answer to a write in time")
        else:
            self._learn(Written(kept, asked_at, office.dice(-_JITTER, _JITTER)))
            office.trouble.passes(_WRITING)

    def _patience_s(self, now: float) -> float:
        """A request must not keep us from noticing that the term is over."""
        term, pace = self._standing.term, self._office.pace
        return pace.renew_s if term is None else min(pace.renew_s, term.until - pace.reserve_s - now)

    async def _rest(self, until: float) -> None:
        try:
            async with asyncio.timeout(max(until - self._office.boottime(), _TIMER_GRAIN_S)):
                await self._stirred.wait()
        except TimeoutError:
            return

    def _learn(self, fact: Fact) -> None:
        before, self._standing = self._standing, advance(self._standing, fact, self._office.boottime())
        now = self._standing
        if before.term is None and now.term is not None:
            self._gained_at = self._office.clock.now()
            self._office.held.add(self._shard)
            self._lost.clear()
            self._gained.set()
            self._office.emit(LeadershipGained(self._network, self._shard, now.term.epoch))
        elif before.term is not None and now.term is None:
            self._wanted = False
            self._office.held.discard(self._shard)
            self._gained.clear()
            self._lost.set()
            self._stirred.set()
            planned = now.over == _GIVEN_BACK
            self._office.emit(LeadershipLost(self._network, self._shard, before.term.epoch, now.over, planned))
