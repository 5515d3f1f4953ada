"""What the settings say about spending, as the flow wants it."""

from keeper.app.network_settings import NetworkSettings
from keeper.domain.budget import Budget
from keeper.domain.fees import FeePolicy
from keeper.domain.units import Wei
from keeper.pipeline.governor import SpendRules

_MS = 1000


def spend_rules(settings: NetworkSettings) -> SpendRules:
    """Budget, fees and the heartbeat that is left when money is short, in whole seconds."""
    interval_ms = settings.force_update_interval_ms
    return SpendRules(
        budget=Budget(daily=settings.daily_budget, low_balance=settings.low_balance),
        fees=fee_policy(settings),
        heartbeat_s=None if interval_ms is None else -(-interval_ms // _MS),
    )


def fee_policy(settings: NetworkSettings) -> FeePolicy:
    """How to bid for gas."""
    return FeePolicy(
        kind=settings.fee_strategy,
        max_fee=settings.max_fee_gwei,
        base_fee_multiplier=settings.base_fee_multiplier,
        tip_multiplier=settings.tip_multiplier,
        min_tip=settings.min_tip_gwei,
        max_tip=settings.max_tip_gwei,
        gas_price_multiplier=settings.gas_price_multiplier,
        fixed=settings.fee_fixed_gwei or Wei(0),
    )
