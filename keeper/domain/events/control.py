"""What operators and timers order, and what comes of it."""

from dataclasses import dataclass
from typing import TypeAlias

from keeper.domain.budget import FREELY, Allowance
from keeper.domain.orders import Pause


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


ControlEvent: TypeAlias = ForceRequested | ForceRefused | PushingPaused | PushingResumed | NothingToPush
