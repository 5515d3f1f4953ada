"""How much may be spent: the budget of a day, the balance, and what is still sent where they do not suffice.

    NORMAL ⇄ HEARTBEAT_ONLY ⇄ STOPPED     by itself, either way: with the day (UTC), a top-up, or lower fees

| limit | heartbeats only | nothing |
|---|---|---|
| DAILY_BUDGET | from the budget on | from one and a half times the budget on |
| LOW_BALANCE | below the balance to keep | once the balance pays for no push |
| FEE_CAP | while the chain asks for more than may be offered | never |

A push that is on its way when a limit is reached still lands. Days and hours are those of UTC; times are Unix seconds.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from keeper.domain.units import MILLION, Ppm, Wei

DAY_S = 86_400
HOUR_S = 3_600

_NEARLY_SPENT = Ppm(800_000)
_HEARTBEATS_END = Ppm(1_500_000)
_REMEMBERED_HOURS = 24


class SpendMode(StrEnum):
    """How freely the keeper spends; the word for it in logs, metrics and /status."""

    NORMAL = "normal"
    HEARTBEAT_ONLY = "heartbeat_only"
    """Feeds are due by age alone, and by an age of its own."""
    STOPPED = "stopped"


class SpendLimit(StrEnum):
    """Why it does not spend freely; the word for it in logs, metrics and /status."""

    DAILY_BUDGET = "daily_budget"
    LOW_BALANCE = "low_balance"
    FEE_CAP = "fee_cap"


@dataclass(frozen=True, slots=True)
class Allowance:
    """A mode and what it is owed to: no limit in normal mode only."""

    mode: SpendMode
    limit: SpendLimit | None = None


FREELY = Allowance(SpendMode.NORMAL)


@dataclass(frozen=True, slots=True)
class Budget:
    """What the operator grants; None is no limit."""

    daily: Wei | None = None
    low_balance: Wei | None = None
    """The balance to keep."""

    def is_nearly_spent(self, spent_today: Wei) -> bool:
        """Whether four fifths of the day's budget are gone."""
        return self.daily is not None and _reaches(spent_today, _NEARLY_SPENT, self.daily)


@dataclass(frozen=True, slots=True)
class Funds:
    """What there is to spend, and what it has to pay for."""

    balance: Wei
    push_cost: Wei
    """What the account must hold for the smallest push to be accepted."""
    spent_today: Wei
    priced_out: bool = False
    """Whether the chain asks for more than may be offered."""


def allowance(budget: Budget, funds: Funds) -> Allowance:
    """How freely to spend."""
    if funds.balance < funds.push_cost:
        return Allowance(SpendMode.STOPPED, SpendLimit.LOW_BALANCE)
    if budget.daily is not None and _reaches(funds.spent_today, _HEARTBEATS_END, budget.daily):
        return Allowance(SpendMode.STOPPED, SpendLimit.DAILY_BUDGET)
    if budget.daily is not None and funds.spent_today >= budget.daily:
        return Allowance(SpendMode.HEARTBEAT_ONLY, SpendLimit.DAILY_BUDGET)
    if budget.low_balance is not None and funds.balance < budget.low_balance:
        return Allowance(SpendMode.HEARTBEAT_ONLY, SpendLimit.LOW_BALANCE)
    if funds.priced_out:
        return Allowance(SpendMode.HEARTBEAT_ONLY, SpendLimit.FEE_CAP)
    return FREELY


@dataclass(frozen=True, slots=True)
class Spending:
    """What was spent today, and by the hour for about a day; a value: `plus` gives the next one."""

    day: int
    today: Wei
    since: float
    """Nothing is known of the time before."""
    hours: tuple[tuple[int, Wei], ...] = ()
    """Hours since 1970 in which something was spent, and how much; the latest last."""

    @classmethod
    def resumed(cls, spent_today: Wei, now: float) -> "Spending":
        """At the start of a process, by what was spent since midnight UTC."""
        day = _day(now)
        if spent_today == 0:
            return cls(day, spent_today, now)
        return cls(day, spent_today, day * DAY_S, ((_hour(now), spent_today),))

    def on(self, now: float) -> Wei:
        """What was spent on the day of `now`. A clock that goes back begins no new day."""
        return self.today if _day(now) <= self.day else Wei(0)

    def plus(self, cost: Wei, now: float) -> "Spending":
        """One more expense."""
        hour = _hour(now)
        kept = tuple(each for each in self.hours if hour - each[0] < _REMEMBERED_HOURS)
        if kept and kept[-1][0] == hour:
            *kept_before, (_, spent) = kept
            hours = (*kept_before, (hour, Wei(spent + cost)))
        else:
            hours = (*kept, (hour, cost))
        return replace(self, day=max(self.day, _day(now)), today=Wei(self.on(now) + cost), hours=hours)

    def runway_s(self, balance: Wei, now: float) -> int | None:
        """How long the balance lasts if the last day is any guide; None while there is no hour to go by."""
        first_hour = _hour(now) - _REMEMBERED_HOURS + 1
        watched_s = int(now - max(self.since, first_hour * HOUR_S))
        spent = sum(cost for hour, cost in self.hours if hour >= first_hour)
        if watched_s < HOUR_S or spent == 0:
            return None
        return balance * watched_s // spent


def _reaches(spent: Wei, share: Ppm, whole: Wei) -> bool:
    return spent * MILLION >= whole * share


def _day(now: float) -> int:
    return int(now // DAY_S)


def _hour(now: float) -> int:
    return int(now // HOUR_S)
