"""What a network learns from its chain."""

from dataclasses import dataclass
from typing import TypeAlias

from keeper.domain.units import Wei


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


ChainEvent: TypeAlias = ChainRead | ChainReadFailed | ContractChanged | FollowModeChanged
