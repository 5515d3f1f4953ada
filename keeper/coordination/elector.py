"""How one replica comes to hold a shard, keeps it and loses it: a pure state machine.

    waiting ──nobody holds it, or a whole lease went by without a renewal──▶ ACQUIRE ──written──▶ holding ──▶ RENEW ...
       ▲                                                                                             │
       └──────────── somebody else wrote · the record is gone · too little time left ◀───────────────┘

`decide` says what to do, `advance` what came of it; both are pure. Times are seconds of one clock of this machine that
goes on while the machine sleeps. Whoever holds counts from before it asked; whoever waits counts from after it saw.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import NamedTuple, TypeAlias, assert_never

from keeper.coordination.lease import Lease, Pace


@dataclass(frozen=True, slots=True)
class Term:
    """A time of holding."""

    epoch: int
    since: float
    until: float
    """From then on others may hold it."""
    renew_at: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How one replica stands to one shard."""

    identity: str
    """Differs for every process that ever was."""
    pace: Pace
    lease: Lease | None = None
    """As it was last seen; None where there is none."""
    known: bool = False
    """Whether it was seen since something of ours went wrong: nothing is written before."""
    changed_at: float = -inf
    """When its holder was last seen to have written, or to be gone."""
    held_until: float = -inf
    """Somebody else may hold it until then, even where the record was taken away."""
    written_at: float = -inf
    """When something of ours was last written: what was asked for before tells nothing."""
    term: Term | None = None
    over: str = ""
    """Why the last term ended; empty while there is one."""
    over_epoch: int = 0
    """Its epoch: a renewal that was on its way when it ended brings it back no more."""

    def is_sure(self, now: float) -> bool:
        """Whether nobody else can hold it for as long as a transaction takes to be handed over."""
        return self.term is not None and self.term.until - now > self.pace.reserve_s


class Step(StrEnum):
    """What to do next."""

    WAIT = "wait"
    ACQUIRE = "acquire"
    RENEW = "renew"
    END = "end"
    """The term is over: too little of it is left."""


class Decision(NamedTuple):
    """A step, or until when there is none to take unless something comes to be known."""

    step: Step
    until: float = inf


@dataclass(frozen=True, slots=True)
class Seen:
    """What the store holds now."""

    lease: Lease | None
    asked_at: float


@dataclass(frozen=True, slots=True)
class Written:
    """The store took what we wrote as holder."""

    lease: Lease
    asked_at: float
    jitter: float = 0.0
    """Shifts the next renewal by so much of its time, between -0.1 and 0.1."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What we wanted to write was not taken, or nobody knows: look first."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The term is over."""

    why: str


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Somebody else sends, whatever the store tells: nothing is taken for a whole lease."""

    why: str


Fact: TypeAlias = Seen | Written | Refused | Ended | Overtaken


def decide(standing: Standing, now: float, *, wanted: bool, hold_back_s: float = 0.0) -> Decision:
    """What to do next; what is free is taken only after it has been so for `hold_back_s`."""
    term, lease = standing.term, standing.lease
    if term is not None:
        if not standing.is_sure(now):
            return Decision(Step.END)
        ends_at = term.until - standing.pace.reserve_s
        if not standing.known:
            return Decision(Step.WAIT, ends_at)
        return Decision(Step.RENEW) if now >= term.renew_at else Decision(Step.WAIT, min(term.renew_at, ends_at))
    if not wanted or not standing.known:
        return Decision(Step.WAIT)
    vacant = lease is not None and not lease.holder
    free_at = standing.changed_at + hold_back_s if vacant else standing.held_until
    return Decision(Step.ACQUIRE) if now >= free_at else Decision(Step.WAIT, free_at)


def advance(standing: Standing, fact: Fact, now: float) -> Standing:
    """The standing after something came to be known."""
    match fact:
        case Seen(lease, asked_at):
            return standing if asked_at < standing.written_at else _seen(standing, lease, now)
        case Written(lease) if lease.epoch == standing.over_epoch:
            return replace(standing, known=False)
        case Written(lease, asked_at, jitter):
            pace = standing.pace
            term = Term(
                epoch=lease.epoch,
                since=now if standing.term is None else standing.term.since,
                until=asked_at + pace.trusted_s,
                renew_at=asked_at + pace.renew_s * (1 + jitter),
            )
            return replace(
                standing,
                lease=lease,
                known=True,
                changed_at=now,
                held_until=-inf,
                written_at=now,
                term=term,
                over="",
            )
        case Refused():
            return replace(standing, known=False)
        case Ended(why):
            return replace(_without_term(standing, why), known=False)
        case Overtaken(why):
            until = now + standing.pace.duration_s
            return replace(_without_term(standing, why), known=False, held_until=until)
        case _:
            assert_never(fact)


def _seen(standing: Standing, lease: Lease | None, now: float) -> Standing:
    term = standing.term
    if lease is None:
        gone = standing if term is None else _without_term(standing, "its record was taken away")
        return replace(gone, lease=None, known=True)
    seen = replace(standing, lease=lease, known=True)
    if lease.is_renewal_of(standing.lease):
        others = lease.holder not in {"", standing.identity}
        seen = replace(seen, changed_at=now, held_until=now + lease.duration_s if others else -inf)
    if term is None or (lease.holder == standing.identity and lease.epoch == term.epoch):
        return seen
    return _without_term(seen, f"{lease.holder or 'somebody'} has written its record")


def _without_term(standing: Standing, why: str) -> Standing:
    over_epoch = standing.over_epoch if standing.term is None else standing.term.epoch
    return replace(standing, term=None, over=why, over_epoch=over_epoch)


def acquired(standing: Standing, now_us: int) -> Lease:
    """The record by which the shard becomes ours; `now_us` in Unix microseconds, by whatever clock."""
    before = standing.lease or Lease()
    return replace(
        before.noting(claim=""),
        holder=standing.identity,
        duration_s=standing.pace.duration_s,
        epoch=before.epoch + 1,
        acquired_us=now_us,
        renewed_us=max(now_us, before.renewed_us + 1),
    )


def renewed(lease: Lease, now_us: int) -> Lease:
    """The record by which it stays ours: never the same as the one before, wherever the clock was set to."""
    return replace(lease, renewed_us=max(now_us, lease.renewed_us + 1))


def released(lease: Lease) -> Lease:
    """The record by which nobody holds it."""
    return replace(lease, holder="")
