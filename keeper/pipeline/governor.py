"""The spend governor of one network: what it has spent, and how much of its policies that leaves in force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.domain.budget import DAY_S, FREELY, Budget, Funds, Spending, SpendLimit, SpendMode, allowance
from keeper.domain.events import (
    BalanceLow,
    BudgetNearlySpent,
    Event,
    PushFinal,
    PushFinished,
    PushHeld,
    SpendModeChanged,
)
from keeper.domain.fees import FeePolicy, offer
from keeper.domain.gas import PushShape
from keeper.domain.policy import FeedPolicy
from keeper.domain.status import SpendStatus
from keeper.domain.units import FeedId, Wei
from keeper.pipeline.tracker import OnChainView
from keeper.ports import Emit

_SMALLEST_PUSH = PushShape(feeds=1, first_writes=0, blobs=1, signatures=1)
_SHORT_RUNWAY_S = DAY_S
_LONG_RUNWAY_S = 2 * DAY_S
"""Between the two no second warning."""
_LOOK_AGAIN_S = 30.0


@dataclass(frozen=True, slots=True)
class SpendRules:
    """What the operator grants, and how the network bids for gas."""

    budget: Budget
    fees: FeePolicy
    heartbeat_s: int | None
    """The age at which feeds are due in heartbeat-only mode; None leaves it to their own rules."""


class Governor:
    """Keeps the books of the day and takes policies out of force where money is short; all times are Unix seconds."""

    def __init__(
        self,
        *,
        network: str,
        rules: SpendRules,
        policies: Mapping[FeedId, FeedPolicy],
        view: OnChainView,
        tell: Emit,
    ) -> None:
        self._network = network
        self._rules = rules
        self._full_policies = policies
        self._view = view
        self._tell = tell
        self._spending = Spending(day=0, today=Wei(0), since=0.0)
        self._balance = Wei(0)
        self._paid: set[bytes | None] = set()
        """Transactions that are in the books and that a reorganisation may still undo."""
        self._held: dict[FeedId, int | None] = {}
        self._warned_on: int | None = None
        self._runway_is_short = False
        self.allowance = FREELY
        self.policies = policies
        """What is in force now."""

    def adopt(self, policies: Mapping[FeedId, FeedPolicy]) -> None:
        """Take these for the full policies from now on."""
        self._full_policies = policies
        self.policies = policies if self.allowance == FREELY else self._under(self.allowance.mode)

    def resume(self, spent_today: Wei, now: float) -> None:
        """At the start: what was spent since midnight UTC, as the journal knows it."""
        self._spending = Spending.resumed(spent_today, now)

    def funded(self, balance: Wei) -> None:
        """The balance was read."""
        self._balance = balance

    def take(self, event: Event, now: float) -> None:
        """A transaction that was mined is paid for, once, whatever a reorganisation does to it later."""
        if isinstance(event, PushFinished) and event.cost is not None and event.tx_hash not in self._paid:
            self._paid.add(event.tx_hash)
            self._pay(event.cost.total, now)
        elif isinstance(event, PushFinal):
            self._paid.discard(event.tx_hash)

    def _pay(self, cost: Wei, now: float) -> None:
        self._spending = self._spending.plus(cost, now)
        self._balance = Wei(max(self._balance - cost, 0))

    def assess(self, now: float) -> None:
        """Decide anew what is in force, and tell of what changed; only after the first read of the chain."""
        spent_today = self._spending.on(now)
        funds = Funds(
            balance=self._balance,
            push_cost=self._push_cost(),
            spent_today=spent_today,
            priced_out=self._rules.fees.is_priced_out(self._view.market),
        )
        allowed = allowance(self._rules.budget, funds)
        if allowed != self.allowance:
            self.allowance = allowed
            self.policies = self._under(allowed.mode)
            budget = self._rules.budget.daily
            self._tell(SpendModeChanged(self._network, allowed, spent_today, self._balance, budget))
        self._warn_of_budget(spent_today)
        self._warn_of_balance(now)

    @property
    def look_again_s(self) -> float | None:
        """While balance or fees hold pushes back, the chain should be read this often; None otherwise."""
        waits = self.allowance.limit in {SpendLimit.LOW_BALANCE, SpendLimit.FEE_CAP}
        return _LOOK_AGAIN_S if waits else None

    def hold(self, feeds: Sequence[FeedId]) -> None:
        """A limit holds these feeds back: tell of each once for every price it has on chain."""
        stored = {feed_id: self._stored_at(feed_id) for feed_id in feeds}
        new = {feed_id: at for feed_id, at in stored.items() if self._held.get(feed_id, -1) != at}
        if new:
            self._held |= new
            self._tell(PushHeld(self._network, tuple(new)))

    def status(self, now: float) -> SpendStatus:
        """How the network spends as of now."""
        bid = None if self._view.state is None else offer(self._view.market, self._rules.fees)
        return SpendStatus(
            allowance=self.allowance,
            spent_today=self._spending.on(now),
            daily_budget=self._rules.budget.daily,
            runway_s=self._spending.runway_s(self._balance, now),
            fee_cap=None if bid is None else bid.fee_cap,
            tip=None if bid is None else bid.tip,
        )

    def _under(self, mode: SpendMode) -> Mapping[FeedId, FeedPolicy]:
        heartbeat_s = self._rules.heartbeat_s
        return {feed_id: policy.under(mode, heartbeat_s) for feed_id, policy in self._full_policies.items()}

    def _push_cost(self) -> Wei:
        """What nodes want the account to hold before they take the smallest push."""
        fee_cap = offer(self._view.market, self._rules.fees).fee_cap
        fee = self._view.update_fee
        return Wei(fee_cap * self._view.gas.limit(_SMALLEST_PUSH) + (0 if fee is None else fee.of(1)))

    def _warn_of_budget(self, spent_today: Wei) -> None:
        budget, day = self._rules.budget, self._spending.day
        if budget.daily is None or not budget.is_nearly_spent(spent_today) or self._warned_on == day:
            return
        self._warned_on = day
        if self.allowance.limit is not SpendLimit.DAILY_BUDGET:
            self._tell(BudgetNearlySpent(self._network, spent_today, budget.daily, self.allowance))

    def _warn_of_balance(self, now: float) -> None:
        runway_s = self._spending.runway_s(self._balance, now)
        if runway_s is None or runway_s >= _LONG_RUNWAY_S:
            self._runway_is_short = False
        elif runway_s < _SHORT_RUNWAY_S and not self._runway_is_short:
            self._runway_is_short = True
            self._tell(BalanceLow(self._network, self._balance, runway_s))

    def _stored_at(self, feed_id: FeedId) -> int | None:
        on_chain = self._view.price(feed_id)
        return None if on_chain is None else on_chain.publish_time
