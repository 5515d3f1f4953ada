"""How freely the keeper spends, what it has spent today, and how long the balance lasts."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.budget import (
    DAY_S,
    FREELY,
    HOUR_S,
    Allowance,
    Budget,
    Funds,
    Spending,
    SpendLimit,
    SpendMode,
    allowance,
)
from keeper.domain.units import Wei

MODES = list(SpendMode)
MIDNIGHT = 1_760_054_400
"""Of 10 October 2025, UTC."""

AMOUNTS = st.integers(0, 10**21).map(Wei)
MAYBE_AMOUNTS = st.none() | st.integers(1, 10**21).map(Wei)
BUDGETS = st.builds(Budget, daily=MAYBE_AMOUNTS, low_balance=MAYBE_AMOUNTS)
FUNDS = st.builds(Funds, balance=AMOUNTS, push_cost=AMOUNTS, spent_today=AMOUNTS, priced_out=st.booleans())
EXPENSES = st.lists(st.tuples(st.floats(0, 20_000), AMOUNTS), max_size=60)
"""Seconds after the one before, and cost."""

GRANTED = Budget(daily=Wei(1000), low_balance=Wei(500))
WELL = Funds(balance=Wei(10_000), push_cost=Wei(10), spent_today=Wei(0))


def heartbeats(limit: SpendLimit) -> Allowance:
    return Allowance(SpendMode.HEARTBEAT_ONLY, limit)


def stopped(limit: SpendLimit) -> Allowance:
    return Allowance(SpendMode.STOPPED, limit)


@pytest.mark.parametrize(
    ("funds", "expected"),
    [
        (WELL, FREELY),
        (replace(WELL, spent_today=Wei(999)), FREELY),
        (replace(WELL, spent_today=Wei(1000)), heartbeats(SpendLimit.DAILY_BUDGET)),
        (replace(WELL, spent_today=Wei(1499)), heartbeats(SpendLimit.DAILY_BUDGET)),
        (replace(WELL, spent_today=Wei(1500)), stopped(SpendLimit.DAILY_BUDGET)),
        (replace(WELL, balance=Wei(500)), FREELY),
        (replace(WELL, balance=Wei(499)), heartbeats(SpendLimit.LOW_BALANCE)),
        (replace(WELL, balance=Wei(10)), heartbeats(SpendLimit.LOW_BALANCE)),
        (replace(WELL, balance=Wei(9)), stopped(SpendLimit.LOW_BALANCE)),
        (replace(WELL, priced_out=True), heartbeats(SpendLimit.FEE_CAP)),
        (replace(WELL, priced_out=True, spent_today=Wei(1000)), heartbeats(SpendLimit.DAILY_BUDGET)),
        (replace(WELL, balance=Wei(9), spent_today=Wei(1000)), stopped(SpendLimit.LOW_BALANCE)),
        (replace(WELL, balance=Wei(499), spent_today=Wei(1500)), stopped(SpendLimit.DAILY_BUDGET)),
    ],
)
def test_spends_less_freely_from_the_limit_on(funds: Funds, expected: Allowance) -> None:
    assert allowance(GRANTED, funds) == expected


@given(balance=AMOUNTS, spent=AMOUNTS)
def test_spends_freely_without_limits(balance: Wei, spent: Wei) -> None:
    assert allowance(Budget(), Funds(balance, Wei(0), spent)) == FREELY


@given(budget=BUDGETS, funds=FUNDS)
def test_names_a_limit_unless_it_spends_freely(budget: Budget, funds: Funds) -> None:
    allowed = allowance(budget, funds)
    assert (allowed.limit is None) is (allowed.mode is SpendMode.NORMAL)


@given(budget=BUDGETS, funds=FUNDS)
def test_never_goes_on_beyond_one_and_a_half_budgets_or_without_the_price_of_a_push(
    budget: Budget, funds: Funds
) -> None:
    over = budget.daily is not None and Fraction(funds.spent_today, budget.daily) >= Fraction(3, 2)
    broke = funds.balance < funds.push_cost
    assert (allowance(budget, funds).mode is SpendMode.STOPPED) is (over or broke)


@given(budget=BUDGETS, funds=FUNDS, more=AMOUNTS)
def test_more_spent_or_a_smaller_balance_never_makes_it_spend_more_freely(
    budget: Budget, funds: Funds, more: Wei
) -> None:
    before = allowance(budget, funds).mode
    poorer = replace(funds, balance=Wei(max(funds.balance - more, 0)))
    spent = replace(funds, spent_today=Wei(funds.spent_today + more))
    for worse in (poorer, spent, replace(funds, priced_out=True)):
        assert MODES.index(allowance(budget, worse).mode) >= MODES.index(before)


@given(budget=BUDGETS, funds=FUNDS)
def test_a_new_day_a_top_up_and_lower_fees_lift_every_limit(budget: Budget, funds: Funds) -> None:
    plenty = Wei(max(funds.push_cost, budget.low_balance or 0))
    assert allowance(budget, replace(funds, balance=plenty, spent_today=Wei(0), priced_out=False)) == FREELY


@pytest.mark.parametrize(("spent", "nearly"), [(799, False), (800, True), (5000, True)])
def test_the_budget_is_nearly_spent_at_four_fifths(spent: int, *, nearly: bool) -> None:
    assert Budget(daily=Wei(1000)).is_nearly_spent(Wei(spent)) is nearly


def test_no_budget_is_never_nearly_spent() -> None:
    assert not Budget().is_nearly_spent(Wei(10**30))


def spend(spending: Spending, expenses: Sequence[tuple[float, Wei]]) -> Spending:
    for at, cost in expenses:
        spending = spending.plus(cost, at)
    return spending


def dated(start: float, expenses: Sequence[tuple[float, Wei]]) -> list[tuple[float, Wei]]:
    """The expenses with their times."""
    at, done = start, []
    for pause, cost in expenses:
        at += pause
        done.append((at, cost))
    return done


@given(resumed=AMOUNTS, expenses=EXPENSES, later=st.floats(0, 200_000))
def test_counts_the_expenses_of_the_day_to_the_wei(
    resumed: Wei, expenses: list[tuple[float, Wei]], later: float
) -> None:
    start = MIDNIGHT + 5000.0
    done = dated(start, expenses)
    spending = spend(Spending.resumed(resumed, start), done)
    now = (done[-1][0] if done else start) + later
    today = now // DAY_S
    expected = sum(cost for at, cost in done if at // DAY_S == today) + (resumed if start // DAY_S == today else 0)
    assert spending.on(now) == expected


@pytest.mark.parametrize(("now", "spent"), [(MIDNIGHT + DAY_S - 0.001, 7), (MIDNIGHT + DAY_S, 0)])
def test_the_day_ends_at_midnight_utc(now: float, spent: int) -> None:
    assert Spending.resumed(Wei(7), MIDNIGHT).on(now) == spent


def test_a_clock_that_goes_back_over_midnight_forgets_nothing() -> None:
    spending = Spending.resumed(Wei(7), MIDNIGHT + 1.0).plus(Wei(5), MIDNIGHT - 60.0)
    assert spending.on(MIDNIGHT - 30.0) == 12
    assert spending.on(MIDNIGHT + 30.0) == 12


@given(expenses=EXPENSES)
def test_remembers_a_day_and_no_more(expenses: list[tuple[float, Wei]]) -> None:
    spending = spend(Spending.resumed(Wei(0), MIDNIGHT), dated(MIDNIGHT, expenses))
    hours = [hour for hour, _ in spending.hours]
    assert all(earlier < later for earlier, later in pairwise(hours))
    assert not hours or hours[-1] - hours[0] < 24


@given(expenses=EXPENSES, balance=AMOUNTS, later=st.floats(0, 100_000))
def test_the_runway_is_the_balance_over_the_burn_of_the_last_day(
    expenses: list[tuple[float, Wei]], balance: Wei, later: float
) -> None:
    done = dated(MIDNIGHT, expenses)
    now = (done[-1][0] if done else MIDNIGHT) + later
    first_hour = now // HOUR_S - 23
    spent = sum(cost for at, cost in done if at // HOUR_S >= first_hour)
    watched_s = int(now - max(MIDNIGHT, first_hour * HOUR_S))
    runway_s = spend(Spending.resumed(Wei(0), MIDNIGHT), done).runway_s(balance, now)
    if spent == 0 or watched_s < HOUR_S:
        assert runway_s is None
    else:
        exact = balance / Fraction(spent, watched_s)
        assert runway_s is not None
        assert exact - 1 < runway_s <= exact


def test_a_steady_burn_lasts_as_long_as_it_should() -> None:
    every_minute = [(60.0, Wei(10))] * (3 * 24 * 60)
    done = dated(MIDNIGHT, every_minute)
    runway_s = spend(Spending.resumed(Wei(0), MIDNIGHT), done).runway_s(Wei(600 * 48), done[-1][0])
    assert runway_s == pytest.approx(48 * HOUR_S, rel=0.01)


def test_the_runway_is_known_at_once_after_a_restart_late_in_the_day() -> None:
    assert Spending.resumed(Wei(120), MIDNIGHT + 12 * HOUR_S).runway_s(Wei(100), MIDNIGHT + 12 * HOUR_S) == 10 * HOUR_S


def test_the_runway_is_not_known_within_the_first_hour() -> None:
    spending = Spending.resumed(Wei(0), MIDNIGHT).plus(Wei(5), MIDNIGHT + 10)
    assert spending.runway_s(Wei(100), MIDNIGHT + HOUR_S - 1) is None
    assert spending.runway_s(Wei(100), MIDNIGHT + HOUR_S) == 20 * HOUR_S
