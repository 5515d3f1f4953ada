"""The life of a transaction, or rather of its nonce: from reservation to a block that no reorganisation takes back.

A push takes one nonce and tries it with one attempt after the other: each a transaction that pays more, and carries
fresher prices, than the one before. Any of them may be mined, so all are watched until the nonce is settled.

    RESERVED ──signed──▶ SIGNED ──taken──▶ PENDING | CANCELLING ──mined──▶ INCLUDED ──deep──▶ FINAL
      │  ▲                │  │                 ▲          ▲                   │
      │  └────refused─────┘  └─unanswered─▶ UNCERTAIN     └─────orphaned──────┘
      ▼                                        │
    RELEASED (nothing left the process)        └─nonce used by a stranger─▶ SUPERSEDED

`advance` says what a fact makes of a flight, `decide` what to do about it now. Both are pure: time is an argument, in
seconds of one clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, TypeAlias, assert_never

from keeper.domain.fees import GasOffer, bumped
from keeper.domain.plan import Plan
from keeper.domain.units import FeedId, Gas, Wei


@dataclass(frozen=True, slots=True)
class Transaction:
    """All that is signed. `to` is a 20-byte address, or empty to create a contract."""

    chain_id: int
    nonce: int
    offer: GasOffer
    gas_limit: Gas
    to: bytes
    value: Wei
    data: bytes


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Bytes ready to broadcast, and their hash (32 bytes)."""

    raw: bytes
    hash: bytes


class FeedWrite(NamedTuple):
    """One price the contract stored, as its PriceFeedUpdate event tells (the event names no exponent)."""

    feed_id: FeedId
    publish_time: int
    price: int
    conf: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the chain says of a mined transaction of ours."""

    tx_hash: bytes
    block_number: int
    block_hash: bytes
    succeeded: bool
    gas_used: Gas
    effective_gas_price: Wei
    l1_fee: Wei
    writes: tuple[FeedWrite, ...]
    error: str = ""
    """Of one that failed: the contract's error by name, as far as it is known."""


class Outcome(StrEnum):
    """How a push ended. Only `confirmed` is a success that wrote something."""

    CONFIRMED = "confirmed"
    NOTHING_NEWER = "nothing_newer"
    """Mined, paid for, and the contract wrote none of it: somebody was faster."""
    LOST_RACE = "lost_race"
    """Reverted early, at about half the cost, because somebody was faster: no failure."""
    REVERTED = "reverted"
    DROPPED = "dropped"
    """Refused before it could be mined; nothing was spent."""
    SUPERSEDED = "superseded"
    """Its nonce was used by a transaction that is not ours."""
    CANCELLED = "cancelled"
    """A no-op used up its nonce: nothing was due any more, and later pushes waited for it."""
    UNRESOLVED = "unresolved"
    """Sent, and still unknown when the keeper gave up waiting."""
    FAILED = "failed"
    """No endpoint took it."""
    HELD_BY_BUDGET = "held_by_budget"
    """Not even planned: a limit on spending holds its feeds."""


class State(StrEnum):
    """Where a nonce stands; the word for it in logs, /status and the journal."""

    RESERVED = "reserved"
    """Held for a push; nothing that was signed for it has left the process."""
    SIGNED = "signed"
    """Signed bytes are in the journal and are to be handed over."""
    UNCERTAIN = "uncertain"
    """Handed over, and no verdict came back."""
    PENDING = "pending"
    """A node holds an attempt."""
    CANCELLING = "cancelling"
    """The newest attempt that a node holds is a no-op."""
    INCLUDED = "included"
    """Mined, and a reorganisation may still undo it."""
    FINAL = "final"
    SUPERSEDED = "superseded"
    """The nonce was used by a transaction that is not ours."""
    RELEASED = "released"
    """Given back unused."""


ENDED = frozenset({State.FINAL, State.SUPERSEDED, State.RELEASED})


class Fate(StrEnum):
    """What became of one attempt when it was handed over."""

    SIGNED = "signed"
    """It was not handed over yet."""
    HELD = "held"
    """A node took it."""
    DOUBTFUL = "doubtful"
    """No verdict came back: a node may hold it."""
    REFUSED = "refused"
    """The node that was asked refused it."""
    OUTBID = "outbid"
    """The same, for a transaction at its nonce that pays more."""
    UNSENT = "unsent"
    """No node could be reached: it never left."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction at a flight's nonce."""

    signed: SignedTransaction
    offer: GasOffer
    plan: Plan | None
    """None for a no-op, which only uses up the nonce."""
    fate: Fate = Fate.SIGNED
    sent_at: float = 0.0
    """When it was last handed over."""
    since: float = 0.0
    """When it was first handed over, put back by a reorganisation, or handed over late: it may be late from then on."""
    since_block: int = 0


@dataclass(frozen=True, slots=True)
class Flight:
    """A nonce, and everything that was tried with it, oldest first."""

    push: int
    nonce: int
    attempts: tuple[Attempt, ...] = ()
    receipt: Receipt | None = None
    """Of the attempt that was mined."""
    end: State | None = None
    """One of ENDED, once it has come to that."""
    retries: int = 0
    resume_at: float = 0.0
    """Nothing new is tried before."""
    problem: str = ""
    """Why the last try did not get anywhere."""
    hopeless: bool = False
    """It would be the same the next time."""
    too_cheap: bool = False
    """Handed over once more, what is out was refused for its fee."""

    @property
    def state(self) -> State:
        """Where the nonce stands."""
        if self.end is not None:
            return self.end
        if self.receipt is not None:
            return State.INCLUDED
        fates = {attempt.fate for attempt in self.attempts}
        if Fate.HELD in fates:
            return State.PENDING if self.newest.plan is not None else State.CANCELLING
        if Fate.DOUBTFUL in fates:
            return State.UNCERTAIN
        return State.SIGNED if Fate.SIGNED in fates else State.RESERVED

    @property
    def out(self) -> tuple[Attempt, ...]:
        """The attempts that a node holds or may hold."""
        return tuple(attempt for attempt in self.attempts if attempt.fate in {Fate.HELD, Fate.DOUBTFUL})

    @property
    def newest(self) -> Attempt:
        """The newest attempt that is out, or else the newest of all; only once there is one."""
        return (self.out or self.attempts)[-1]

    @property
    def mined(self) -> Attempt | None:
        """The attempt that was mined; None as well for one that the journal has lost."""
        receipt = self.receipt
        if receipt is None:
            return None
        return next((each for each in self.attempts if each.signed.hash == receipt.tx_hash), None)

    @property
    def highest(self) -> GasOffer | None:
        """What a replacement must outbid: the highest of what nodes may hold, or refused for less than they hold."""
        rivals = {Fate.HELD, Fate.DOUBTFUL, Fate.OUTBID}
        offers = (attempt.offer for attempt in self.attempts if attempt.fate in rivals)
        return max(offers, key=lambda offer: offer.fee_cap, default=None)


# What happens


@dataclass(frozen=True, slots=True)
class Signed:
    """Another attempt is signed and in the journal."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Taken:
    """A node took the attempt, or knew it already."""

    tx_hash: bytes
    block: int
    """The newest one known."""
    repeats: bool = False
    """It was out already, and is not late: its time runs on."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The attempt was handed over and no verdict came back."""

    tx_hash: bytes
    block: int
    repeats: bool = False
    """As in Taken."""


@dataclass(frozen=True, slots=True)
class Stumbled:
    """A try did not get anywhere."""

    problem: str
    resume_at: float
    """When to try again."""
    tx_hash: bytes | None = None
    """The attempt that no node took; None where it did not come so far."""
    fate: Fate = Fate.UNSENT
    """What became of it: REFUSED, OUTBID or UNSENT."""
    block: int = 0
    """The newest one known."""
    repeats: bool = False
    """As in Taken."""
    hopeless: bool = False
    too_cheap: bool = False
    """It was refused for its fee."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """What was in the way is gone before its time."""


@dataclass(frozen=True, slots=True)
class Renumbered:
    """The nonce was not the account's next one, and nothing is out: the push goes on with another."""

    nonce: int


@dataclass(frozen=True, slots=True)
class Mined:
    """An attempt has a receipt."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Orphaned:
    """The block with the receipt is not canonical any more."""

    block: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The story is over."""

    state: State


Fact: TypeAlias = Signed | Taken | Unanswered | Stumbled | Resumed | Renumbered | Mined | Orphaned | Ended


def advance(flight: Flight, fact: Fact, now: float) -> Flight:
    """The flight after something happened."""
    match fact:
        case Signed(attempt):
            return replace(flight, attempts=(*flight.attempts, attempt))
        case Taken():
            changed = _change(flight, fact.tx_hash, lambda attempt: _sent(attempt, Fate.HELD, fact, now))
            return replace(changed, too_cheap=False)
        case Unanswered():
            return _change(flight, fact.tx_hash, lambda attempt: _sent(attempt, Fate.DOUBTFUL, fact, now))
        case Stumbled():
            changed = _change(flight, fact.tx_hash, lambda attempt: _refused(attempt, fact, now))
            return replace(
                changed,
                retries=flight.retries + 1,
                resume_at=fact.resume_at,
                problem=fact.problem,
                hopeless=fact.hopeless,
                too_cheap=fact.too_cheap,
            )
        case Resumed():
            return replace(flight, resume_at=now)
        case Renumbered(nonce):
            return replace(flight, nonce=nonce, attempts=())
        case Mined(receipt):
            return replace(flight, receipt=receipt)
        case Orphaned(block):
            changed = replace(flight, receipt=None)
            return replace(changed, attempts=tuple(_put_back(each, now, block) for each in flight.attempts))
        case Ended(state):
            return replace(flight, end=state)
        case _:
            assert_never(fact)


def recovered(flight: Flight, now: float, block: int) -> Flight:
    """A flight of an earlier process: whatever may have left it is in doubt, and is handed over anew; late from now."""
    may_have_left = {Fate.SIGNED, Fate.HELD, Fate.DOUBTFUL}
    attempts = (
        replace(each, fate=Fate.DOUBTFUL, sent_at=float("-inf"), since=now, since_block=block)
        if each.fate in may_have_left
        else each
        for each in flight.attempts
    )
    return replace(flight, attempts=tuple(attempts), resume_at=0.0)


# What to do


@dataclass(frozen=True, slots=True)
class Rules:
    """How patient to be."""

    retries: int
    """After the first attempt, while nothing of the flight is out."""
    replace_after_blocks: int
    resend_doubtful_s: float
    """An attempt without a verdict is handed over again after so long."""
    resend_held_s: float
    """The same for one that a node took: it may have forgotten it."""
    confirmations: int


@dataclass(frozen=True, slots=True)
class World:
    """What the decision depends on besides the flight."""

    now: float
    block: int
    block_time_s: float
    wanted: bool
    """Whether some feed is worth a push now."""
    blocking: bool
    """Whether transactions with later nonces wait for this one."""
    outbids: bool
    """Whether new prices may replace an attempt that is late."""
    first_come: bool = False
    """Whether they may not because the sequencer serves first come, first: then only what is refused for its fee."""
    base_fee: Wei | None = None
    """Of the newest block known; None on a chain without, where it is above all that may be offered, or where prices
    do not replace what is late."""


class Action(StrEnum):
    """What to do next with a flight."""

    SIGN = "sign"
    """Sign an update of what is due now; over the highest offer where an attempt is out."""
    CANCEL = "cancel"
    """Sign a no-op, likewise."""
    SEND = "send"
    """Hand the newest attempt over, once more if it was before."""
    WAIT = "wait"
    """Nothing, but look for receipts."""
    RELEASE = "release"
    """Give the nonce back."""
    SETTLE = "settle"
    """Make sure that the receipt still stands; then it is final."""
    NONE = "none"
    """It has ended."""


def decide(flight: Flight, world: World, rules: Rules) -> Action:
    """What to do next."""
    match flight.state:
        case State.RESERVED:
            return _decide_unsent(flight, world, rules)
        case State.SIGNED:
            return Action.SEND
        case State.UNCERTAIN | State.PENDING | State.CANCELLING:
            return _decide_out(flight, world, rules)
        case State.INCLUDED:
            assert flight.receipt is not None
            deep = world.block >= flight.receipt.block_number + rules.confirmations
            return Action.SETTLE if deep else Action.WAIT
        case State.FINAL | State.SUPERSEDED | State.RELEASED:
            return Action.NONE
        case _:
            assert_never(flight.state)


def turns_on_what_is_due(flight: Flight, world: World, rules: Rules) -> bool:
    """Whether the decision depends on `world.wanted`: only then need anybody find out."""
    wanted, unwanted = (decide(flight, replace(world, wanted=wanted), rules) for wanted in (True, False))
    return wanted is not unwanted


def _decide_unsent(flight: Flight, world: World, rules: Rules) -> Action:
    """Nothing of the flight is out: it may still be given back, unless later nonces wait for it."""
    outbid = bool(flight.attempts) and flight.newest.fate is Fate.OUTBID
    worth_it = world.wanted and not flight.hopeless and (flight.retries <= rules.retries or outbid)
    if not worth_it and not world.blocking:
        return Action.RELEASE
    if world.now < flight.resume_at:
        return Action.WAIT
    return Action.SIGN if worth_it else Action.CANCEL


def _decide_out(flight: Flight, world: World, rules: Rules) -> Action:
    """A node holds an attempt or may: when it is in need of it outbid it, with fresher prices if some feed is due."""
    if world.now < flight.resume_at:
        return Action.WAIT
    if (is_late(flight, world, rules) and world.outbids) or (flight.too_cheap and world.first_come):
        if world.wanted and flight.state is not State.CANCELLING:
            return Action.SIGN
        if world.blocking or flight.state is State.CANCELLING:
            return Action.CANCEL
    return Action.SEND if _is_quiet(flight, world, rules) else Action.WAIT


def _is_quiet(flight: Flight, world: World, rules: Rules) -> bool:
    """Whether to hand the newest attempt over once more: nodes forget, swallow, and do not answer."""
    return world.now - flight.newest.sent_at >= _patience_s(flight, rules) or is_late(flight, world, rules)


def _patience_s(flight: Flight, rules: Rules) -> float:
    return rules.resend_held_s if flight.newest.fate is Fate.HELD else rules.resend_doubtful_s


def next_try_at(flight: Flight, rules: Rules) -> float:
    """When something is to be done with what is out, if the chain tells nothing till then."""
    return max(flight.newest.sent_at + _patience_s(flight, rules), flight.resume_at)


def is_late(flight: Flight, world: World, rules: Rules) -> bool:
    """Whether the newest attempt should have been mined by now: by blocks and by the time that so many take.

    One that no block takes at the base fee of a later one is late at once; it is so anew with every block.
    """
    newest = flight.newest
    blocks = world.block - newest.since_block
    if blocks >= 1 and _is_priced_out(flight, world):
        return True
    return (
        blocks >= rules.replace_after_blocks
        and world.now - newest.since >= rules.replace_after_blocks * world.block_time_s
    )


def _is_priced_out(flight: Flight, world: World) -> bool:
    """Whether the base fee is above all that is offered."""
    highest = flight.highest
    return highest is not None and world.base_fee is not None and highest.fee_cap < world.base_fee


def next_offer(flight: Flight, fresh: GasOffer, cap: Wei) -> GasOffer | None:
    """What the next attempt offers: `fresh`, over the highest so far where a node may hold that; None above the cap."""
    highest = flight.highest
    if highest is None:
        return GasOffer(min(fresh.fee_cap, cap), min(fresh.tip, cap), fresh.legacy)
    above = bumped(highest, fresh)
    if above.fee_cap <= cap:
        return above
    least = bumped(highest, highest)
    return None if least.fee_cap > cap else GasOffer(cap, min(max(least.tip, fresh.tip), cap), fresh.legacy)


def _change(flight: Flight, tx_hash: bytes | None, change: Callable[[Attempt], Attempt]) -> Flight:
    changed = (change(each) if each.signed.hash == tx_hash else each for each in flight.attempts)
    return replace(flight, attempts=tuple(changed))


def _sent(attempt: Attempt, fate: Fate, fact: Taken | Unanswered | Stumbled, now: float) -> Attempt:
    """A node has it, or may: what one node is known to hold stays held."""
    held = Fate.HELD if attempt.fate is Fate.HELD else fate
    if fact.repeats:
        return replace(attempt, fate=held, sent_at=now)
    return replace(attempt, fate=held, sent_at=now, since=now, since_block=fact.block)


def _refused(attempt: Attempt, fact: Stumbled, now: float) -> Attempt:
    """A refusal takes nothing back: an earlier hand-over may have reached a node. It counts as one itself."""
    if attempt.fate not in {Fate.HELD, Fate.DOUBTFUL}:
        return replace(attempt, fate=fact.fate)
    if fact.fate is Fate.UNSENT:
        return attempt
    return _sent(attempt, attempt.fate, fact, now)


def _put_back(attempt: Attempt, now: float, block: int) -> Attempt:
    if attempt.fate not in {Fate.HELD, Fate.DOUBTFUL}:
        return attempt
    return replace(attempt, fate=Fate.DOUBTFUL, sent_at=0.0, since=now, since_block=block)
