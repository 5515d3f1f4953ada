"""What limits on spending do."""

from dataclasses import dataclass
from typing import TypeAlias

from keeper.domain.budget import FREELY, Allowance
from keeper.domain.units import FeedId, Wei


@dataclass(frozen=True, slots=True)
class SpendModeChanged:
    """From now on the network spends more freely, or less."""

    network: str
    allowance: Allowance
    spent_today: Wei
    """Since midnight UTC."""
    balance: Wei
    daily_budget: Wei | None = None
    """None where there is none."""


@dataclass(frozen=True, slots=True)
class BudgetNearlySpent:
    """Four fifths of the day's budget are gone; told once a day."""

    network: str
    spent_today: Wei
    daily_budget: Wei
    allowance: Allowance = FREELY


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


SpendEvent: TypeAlias = SpendModeChanged | BudgetNearlySpent | BalanceLow | PushHeld
