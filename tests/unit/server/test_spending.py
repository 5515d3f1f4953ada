"""Limits on spending as they are shown."""

from itertools import product

from keeper.domain.budget import Allowance, Budget, Funds, SpendLimit, SpendMode, allowance
from keeper.domain.status import SpendStatus
from keeper.domain.units import Wei
from keeper.server.event_metrics import EventMetrics
from keeper.server.metrics import metrics_text
from keeper.server.spending import SPENDING
from tests.support.status import KEEPER, with_network

SPENT = SpendStatus(allowance=Allowance(SpendMode.HEARTBEAT_ONLY, SpendLimit.DAILY_BUDGET))


def test_there_are_words_for_every_case_and_no_others() -> None:
    budget = Budget(daily=Wei(100), low_balance=Wei(50))
    cases = {
        allowance(budget, Funds(Wei(balance), Wei(10), Wei(spent), priced_out=priced_out))
        for balance, spent, priced_out in product((5, 20, 60), (0, 100, 150), (False, True))
    }
    assert SPENDING.keys() == cases


async def test_metrics_tell_mode_limit_and_figures() -> None:
    lines = (await metrics_text(KEEPER, EventMetrics())).decode().splitlines()
    assert {
        'keeper_spend_mode{network="devnet",mode="normal"} 1',
        'keeper_spend_limit{network="devnet",limit="daily_budget"} 0',
        'keeper_spent_today_wei{network="devnet"} 20000000000000',
        'keeper_daily_budget_wei{network="devnet"} 100000000000000000',
        'keeper_runway_seconds{network="devnet"} 86580',
        'keeper_fee_cap_wei{network="devnet"} 41500000000',
        'keeper_tip_wei{network="devnet"} 1500000000',
    } <= set(lines)


async def test_metrics_tell_a_limit_and_leave_out_what_is_not_known() -> None:
    text = (await metrics_text(with_network(spending=SPENT), EventMetrics())).decode()
    lines = text.splitlines()
    assert 'keeper_spend_mode{network="devnet",mode="heartbeat_only"} 1' in lines
    assert 'keeper_spend_mode{network="devnet",mode="normal"} 0' in lines
    assert 'keeper_spend_limit{network="devnet",limit="daily_budget"} 1' in lines
    assert "keeper_daily_budget_wei{" not in text
    assert "keeper_runway_seconds{" not in text
