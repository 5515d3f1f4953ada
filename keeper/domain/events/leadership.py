"""Who may send."""

from dataclasses import dataclass
from typing import TypeAlias


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
class OthersInFlight:
    """Transactions that this process and its journal know nothing of wait to be mined: they may land first."""

    network: str
    nonces: tuple[int, ...]
    """The first ten."""
    patience_s: float
    """For so long; then they are outbid."""


@dataclass(frozen=True, slots=True)
class CoordinationFailed:
    """Nobody can tell who may send; told once, until that works again."""

    error: str


@dataclass(frozen=True, slots=True)
class CoordinationRecovered:
    """It can be told again."""


LeadershipEvent: TypeAlias = (
    LeadershipGained | LeadershipLost | OthersInFlight | CoordinationFailed | CoordinationRecovered
)
