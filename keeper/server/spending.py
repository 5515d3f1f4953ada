"""How the limits on spending are told in a sentence."""

from collections.abc import Mapping

from keeper.domain.budget import FREELY, Allowance, SpendLimit, SpendMode

_HEARTBEATS = SpendMode.HEARTBEAT_ONLY
_STOPPED = SpendMode.STOPPED

SPENDING: Mapping[Allowance, str] = {
    FREELY: "pushes whatever is due",
    Allowance(_HEARTBEATS, SpendLimit.DAILY_BUDGET): "sends heartbeats only: the budget of the day is spent",
    Allowance(
        _HEARTBEATS, SpendLimit.LOW_BALANCE
    ): "sends heartbeats only: the balance is below LOW_BALANCE, send coins",
    Allowance(_HEARTBEATS, SpendLimit.FEE_CAP): "sends heartbeats only: the chain asks for more than MAX_FEE_GWEI",
    Allowance(_STOPPED, SpendLimit.DAILY_BUDGET): (
        "sends nothing until midnight UTC: one and a half times the budget of the day is spent"
    ),
    Allowance(_STOPPED, SpendLimit.LOW_BALANCE): "sends nothing: the balance does not pay for a push, send coins",
}
"""What the keeper does, and why, by what it may do."""
