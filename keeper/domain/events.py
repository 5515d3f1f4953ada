"""Everything that happens, one frozen value each: logs, metrics and streams subscribe to these and to nothing else."""

from dataclasses import dataclass
from typing import TypeAlias

from keeper.domain.budget import FREELY, Allowance
from keeper.domain.fees import Cost
from keeper.domain.orders import Pause
from keeper.domain.policy import Reason
from keeper.domain.transaction import Outcome
from keeper.domain.units import FeedId, Gas, Wei


@dataclass(frozen=True, slots=True)
class SourceConnected:
    """A price stream is open."""

    source: str


@dataclass(frozen=True, slots=True)
class SourceLost:
    """A price stream ended or failed; the next attempt comes by itself."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class SourcePolling:
    """No stream delivers: prices are polled from now on (`active`), or no longer."""

    source: str
    active: bool


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """Something is wrong with a source that does not end its stream: bad data, an error event, a poll that failed."""

    source: str
    problem: str


@dataclass(frozen=True, slots=True)
class SourceStoodDown:
    """A source before this one delivers again: it is in reserve from now on."""

    source: str


@dataclass(frozen=True, slots=True)
class SourceDistrusted:
    """The prices of a source are no good for a network: they are not used there while another source is trusted."""

    network: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class SourceTrusted:
    """They are good again."""

    network: str
    source: str


@dataclass(frozen=True, slots=True)
class ChainRead:
    """The on-chain view was read."""

    network: str
    block: int
    balance: Wei
    nonce: int | None = None
    """None where it was left out."""


@dataclass(frozen=True, slots=True)
class ChainReadFailed:
    """The on-chain view could not be read; the last one stays in force."""

    network: str
    error: str


@dataclass(frozen=True, slots=True)
class ContractChanged:
    """The contract is not what it was: its terms are learned anew, with a push that is tried for free."""

    network: str
    what: str
    """The name of its own event, or what a poll found."""
    block: int


@dataclass(frozen=True, slots=True)
class FollowModeChanged:
    """From now on the chain tells what happens by itself, or no longer does."""

    network: str
    mode: str


@dataclass(frozen=True, slots=True)
class ForceRequested:
    """Feeds are to be updated whatever their thresholds say."""

    network: str
    origin: str
    """`timer`, `signal` or `control`."""
    feeds: int
    """So many."""
    by: str = ""
    """Who asked, by `control`."""


@dataclass(frozen=True, slots=True)
class ForceRefused:
    """The same was asked of a network that is paused: it is not done, nor made up for."""

    network: str
    origin: str
    feeds: int
    by: str
    pause: Pause


@dataclass(frozen=True, slots=True)
class PushingPaused:
    """By order of an operator nothing new is pushed; what is in flight is seen to its end."""

    network: str
    pause: Pause


@dataclass(frozen=True, slots=True)
class PushingResumed:
    """The pause is over."""

    network: str
    pause: Pause


@dataclass(frozen=True, slots=True)
class NothingToPush:
    """A push was asked for, and no feed has anything newer than the chain, or a limit on spending holds it."""

    network: str
    origin: str
    allowance: Allowance = FREELY


@dataclass(frozen=True, slots=True)
class PushPlanned:
    """Feeds were found due; `dry_run` means that nothing will be sent."""

    network: str
    push: int
    """Number of the push in this process, counted from 1."""
    feeds: tuple[tuple[FeedId, Reason], ...]
    gas: Gas
    update_fee: Wei
    dry_run: bool


@dataclass(frozen=True, slots=True)
class PushSent:
    """A signed transaction was accepted by an endpoint."""

    network: str
    push: int
    nonce: int
    tx_hash: bytes
    feeds: tuple[FeedId, ...]
    endpoint: str
    event_to_sent_s: float
    """From the arrival of the newest price in it to the endpoint's acceptance."""
    replaces: bool = False
    """Whether it outbids an earlier transaction with the same nonce."""


@dataclass(frozen=True, slots=True)
class PushRetried:
    """An attempt failed; another one, with the newest prices, follows after the delay."""

    network: str
    push: int
    attempt: int
    error: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class PushFinished:
    """A push ended, one way or another."""

    network: str
    push: int
    outcome: Outcome
    feeds: tuple[FeedId, ...]
    written: tuple[FeedId, ...]
    """Feeds that the contract stored."""
    retries: int
    detail: str = ""
    """What went wrong, if anything did."""
    tx_hash: bytes | None = None
    block: int | None = None
    gas_used: Gas | None = None
    gas_price: Wei | None = None
    cost: Cost | None = None
    latency_s: float | None = None
    """From the arrival of the newest price in it to the receipt."""


@dataclass(frozen=True, slots=True)
class SpendModeChanged:
    """From now on the network spends more freely, or less."""

    network: str
    allowance: Allowance
    spent_today: Wei
    """Since midnight UTC."""
    balance: Wei


@dataclass(frozen=True, slots=True)
class BudgetNearlySpent:
    """Four fifths of the day's budget are gone; told once a day."""

    network: str
    spent_today: Wei
    daily_budget: Wei


@dataclass(frozen=True, slots=True)
class BalanceLow:
    """The balance lasts for less than a day at the burn of the last one."""

    network: str
    balance: Wei
    runway_s: int


@dataclass(frozen=True, slots=True)
class PushHeld:
    """Feeds would be due, and a limit on spending holds them; each is told once for every price on chain."""

    network: str
    feeds: tuple[FeedId, ...]


@dataclass(frozen=True, slots=True)
class JournalFailed:
    """The journal cannot be written or read; told once, until it works again."""

    error: str


@dataclass(frozen=True, slots=True)
class JournalRecovered:
    """The journal works again, and what had to wait is in it."""

    backlog: int
    """Records that waited."""
    lost: int
    """Records that were one too many to wait."""


@dataclass(frozen=True, slots=True)
class FailingRepeatedly:
    """So many pushes failed in a row that it is no bad luck; told once, until one does not fail."""

    network: str
    failures: int
    cause: str
    """Of the last one."""


@dataclass(frozen=True, slots=True)
class PushOrphaned:
    """A reorganisation took back the block with a push: what was told of its end holds no more, it is in flight."""

    network: str
    push: int
    tx_hash: bytes


@dataclass(frozen=True, slots=True)
class PushFinal:
    """A push is as deep in the chain as was asked for."""

    network: str
    push: int
    tx_hash: bytes


@dataclass(frozen=True, slots=True)
class FeeCapReached:
    """A push would need a higher fee than is allowed: it waits, and what is out already is kept alive."""

    network: str
    push: int
    max_fee: Wei


@dataclass(frozen=True, slots=True)
class LeadershipGained:
    """From now on this process sends for the network's account."""

    network: str
    shard: str
    """The account on its chain."""
    epoch: int
    """So many times it was taken over."""


@dataclass(frozen=True, slots=True)
class LeadershipLost:
    """It does not any more: it watches, and stands by."""

    network: str
    shard: str
    epoch: int
    why: str
    planned: bool
    """Whether it was given back in order, with nothing left to be sent."""


@dataclass(frozen=True, slots=True)
class CoordinationFailed:
    """Nobody can tell who may send; told once, until that works again."""

    error: str


@dataclass(frozen=True, slots=True)
class CoordinationRecovered:
    """It can be told again."""


Event: TypeAlias = (
    SourceConnected
    | SourceLost
    | SourcePolling
    | SourceProblem
    | SourceStoodDown
    | SourceDistrusted
    | SourceTrusted
    | ChainRead
    | ChainReadFailed
    | ContractChanged
    | FollowModeChanged
    | ForceRequested
    | ForceRefused
    | PushingPaused
    | PushingResumed
    | NothingToPush
    | PushPlanned
    | PushSent
    | PushRetried
    | PushFinished
    | SpendModeChanged
    | BudgetNearlySpent
    | BalanceLow
    | PushHeld
    | JournalFailed
    | JournalRecovered
    | FailingRepeatedly
    | PushOrphaned
    | PushFinal
    | FeeCapReached
    | LeadershipGained
    | LeadershipLost
    | CoordinationFailed
    | CoordinationRecovered
)
