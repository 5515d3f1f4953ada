"""The life of a push, step by step."""

from dataclasses import dataclass
from typing import TypeAlias

from keeper.domain.fees import Cost
from keeper.domain.policy import Reason
from keeper.domain.transaction import Outcome
from keeper.domain.units import FeedId, Gas, Wei


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
    slots: tuple[int, ...] = ()
    """Pythnet's numbers of the updates in it: what the stream's events are told apart by."""


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
class FailingRepeatedly:
    """So many pushes failed in a row that it is no bad luck; told once, until one does not fail."""

    network: str
    failures: int
    cause: str
    """Of the last one."""


PushEvent: TypeAlias = (
    PushPlanned | PushSent | PushRetried | PushFinished | PushOrphaned | PushFinal | FeeCapReached | FailingRepeatedly
)
