"""From settings to budget and fees."""

import pytest

from keeper.app.spend_rules import spend_rules
from keeper.domain.budget import Budget
from keeper.domain.fees import FeeKind, FeePolicy
from keeper.domain.units import WEI_PER_GWEI, Ppm, Wei
from tests.support.settings import network


def test_spends_without_a_budget_and_below_500_gwei_by_default() -> None:
    rules = spend_rules(network())
    assert rules.budget == Budget()
    assert rules.fees == FeePolicy()
    assert rules.fees.max_fee == 500 * WEI_PER_GWEI
    assert network().tip_percentile == 50


def test_takes_every_setting_over() -> None:
    rules = spend_rules(
        network(
            {
                "DAILY_BUDGET": "0.25",
                "LOW_BALANCE": "2",
                "MAX_FEE_GWEI": "80",
                "FEE_STRATEGY": "fixed",
                "FEE_FIXED_GWEI": "25.5",
                "BASE_FEE_MULTIPLIER": "1.5",
                "TIP_MULTIPLIER": "1.1",
                "MIN_TIP_GWEI": "0.1",
                "MAX_TIP_GWEI": "3",
                "GAS_PRICE_MULTIPLIER": "1.05",
            }
        )
    )
    assert rules.budget == Budget(daily=Wei(25 * 10**16), low_balance=Wei(2 * 10**18))
    assert rules.fees == FeePolicy(
        kind=FeeKind.FIXED,
        max_fee=Wei(80 * WEI_PER_GWEI),
        base_fee_multiplier=Ppm(1_500_000),
        tip_multiplier=Ppm(1_100_000),
        min_tip=Wei(WEI_PER_GWEI // 10),
        max_tip=Wei(3 * WEI_PER_GWEI),
        gas_price_multiplier=Ppm(1_050_000),
        fixed=Wei(25_500_000_000),
    )


@pytest.mark.parametrize(("interval_ms", "heartbeat_s"), [("300000", 300), ("1500", 2), ("1", 1), ("0", None)])
def test_the_heartbeat_is_the_interval_of_forced_updates(interval_ms: str, heartbeat_s: int | None) -> None:
    assert spend_rules(network({"FORCE_UPDATE_INTERVAL_MS": interval_ms})).heartbeat_s == heartbeat_s


def test_a_percentile_of_zero_leaves_the_tip_to_the_node() -> None:
    assert network({"TIP_PERCENTILE": "0"}).tip_percentile is None
