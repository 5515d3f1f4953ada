"""What the log says of limits on spending."""

import logging
from typing import Any, TypeAlias, assert_never

from keeper.app.lines import FeedNames, Line, coins, listed
from keeper.domain.budget import SpendMode
from keeper.domain.events import BalanceLow, BudgetNearlySpent, PushHeld, SpendModeChanged
from keeper.server.decimals import native_text
from keeper.server.spending import SPENDING

SpendingEvent: TypeAlias = SpendModeChanged | BudgetNearlySpent | BalanceLow | PushHeld

_HOUR_S = 3_600
_LEVELS = {
    SpendMode.NORMAL: logging.INFO,
    SpendMode.HEARTBEAT_ONLY: logging.WARNING,
    SpendMode.STOPPED: logging.ERROR,
}


def spending_level(event: SpendingEvent) -> int:
    """How urgent it is, as logging counts."""
    match event:
        case SpendModeChanged():
            return _LEVELS[event.allowance.mode]
        case BudgetNearlySpent() | BalanceLow():
            return logging.WARNING
        case PushHeld():
            return logging.DEBUG
        case _:
            assert_never(event)


def spending_line(event: SpendingEvent, names: FeedNames) -> Line:
    """The line for an event."""
    fields: dict[str, Any] = {"network": event.network}
    match event:
        case SpendModeChanged():
            mode, limit = event.allowance.mode.value, event.allowance.limit
            told = {"mode": mode, "limit": limit.value if limit is not None else None}
            amounts = {"spent_today": native_text(event.spent_today), "balance": native_text(event.balance)}
            spent = f"{coins(event.spent_today)} spent today, balance {coins(event.balance)}"
            return Line("spend_mode", f"{event.network} {SPENDING[event.allowance]}; {spent}", fields | told | amounts)
        case BudgetNearlySpent():
            text = (
                f"{event.network} has spent {coins(event.spent_today)} today of a budget of"
                f" {coins(event.daily_budget)}: when all is spent, it sends heartbeats only"
            )
            told = {"spent_today": native_text(event.spent_today), "daily_budget": native_text(event.daily_budget)}
            return Line("budget_nearly_spent", text, fields | told)
        case BalanceLow():
            hours = round(event.runway_s / _HOUR_S, 1)
            text = f"{event.network}: the balance of {coins(event.balance)} lasts for about {hours} h, send coins"
            return Line("balance_low", text, fields | {"balance": native_text(event.balance), "runway_hours": hours})
        case PushHeld():
            feeds = names.of(event.feeds)
            text = f"{event.network} holds back, to save money: {listed(feeds)}"
            return Line("push_held_by_budget", text, fields | {"feeds": feeds})
        case _:
            assert_never(event)
