"""What a network still pushes when money is short, when it says so, and that it recovers by itself."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.budget import DAY_S, FREELY, HOUR_S, Allowance, Budget, SpendLimit, SpendMode
from keeper.domain.events import (
    BalanceLow,
    BudgetNearlySpent,
    Event,
    PushFinal,
    PushFinished,
    PushHeld,
    SpendModeChanged,
)
from keeper.domain.fees import Cost, FeePolicy
from keeper.domain.policy import Deviation, Early, FeedPolicy, Reason, Staleness
from keeper.domain.transaction import Outcome
from keeper.domain.units import Ppm, Wei
from keeper.pipeline.buffer import Buffer
from keeper.pipeline.governor import Governor, SpendRules
from keeper.pipeline.planner import Planner
from keeper.pipeline.rivals import IfNecessary, Rivals
from keeper.pipeline.tracker import OnChainView
from keeper.pipeline.trust import Trust
from tests.support.chain import GWEI, FakeChain
from tests.support.clock import LoopClock
from tests.support.market import FEEDS, Market

pytestmark = pytest.mark.looptime

MIDNIGHT = 1_760_054_400.0
COIN = Wei(10**18)
F1, F2 = FEEDS[:2]
POLICY = FeedPolicy(rules=(Deviation(Ppm(1000)), Staleness(60)), early=Early.NEVER)
RULES = SpendRules(budget=Budget(daily=COIN), fees=FeePolicy(), heartbeat_s=300)
OVER_BUDGET = Allowance(SpendMode.HEARTBEAT_ONLY, SpendLimit.DAILY_BUDGET)


def coins(amount: float) -> Wei:
    return Wei(int(amount * 1000) * 10**15)


def mined(cost: Wei, push: int) -> PushFinished:
    """A push that cost so much."""
    return PushFinished(
        network="test",
        push=push,
        outcome=Outcome.CONFIRMED,
        feeds=(F1,),
        written=(F1,),
        retries=0,
        tx_hash=push.to_bytes(32, "big"),
        cost=Cost(gas=cost, update_fee=Wei(0)),
    )


@dataclass
class Desk:
    """A governor on a fake chain, with whatever it told."""

    governor: Governor
    chain: FakeChain
    view: OnChainView
    buffer: Buffer
    events: list[Event] = field(default_factory=list)
    spent: int = 0
    """So many times."""

    async def read(self) -> None:
        self.governor.funded((await self.view.read()).balance)

    def spend(self, cost: Wei, at: float) -> None:
        """A push of this cost was mined."""
        self.spent += 1
        self.governor.take(mined(cost, self.spent), at)

    def told(self) -> list[Event]:
        """What was told since the last time."""
        told, self.events[:] = self.events.copy(), []
        return told


def desk(*, early: Early = Early.NEVER, **rules: object) -> Desk:
    """On a rich account; keywords change the rules."""
    chain, buffer = FakeChain(balance=100 * COIN), Buffer(FEEDS[:2], Trust("test", lambda _: None))
    view = OnChainView(chain=chain, feeds=FEEDS[:2], buffer=buffer, clock=LoopClock(), rivals=Rivals(IfNecessary.NEVER))
    events: list[Event] = []
    governor = Governor(
        network="test",
        rules=replace(RULES, **rules),  # type: ignore[arg-type]  # any field
        policies=dict.fromkeys(FEEDS[:2], replace(POLICY, early=early)),
        view=view,
        tell=events.append,
    )
    governor.resume(Wei(0), MIDNIGHT)
    return Desk(governor, chain, view, buffer, events)


async def test_tells_of_every_step_on_the_way_to_the_limit_and_back() -> None:
    it = desk()
    await it.read()
    it.governor.assess(MIDNIGHT)
    assert it.told() == []
    it.spend(coins(0.8), MIDNIGHT + 1)
    it.governor.assess(MIDNIGHT + 1)
    it.governor.assess(MIDNIGHT + 2)
    assert it.told() == [BudgetNearlySpent("test", coins(0.8), COIN)]
    it.spend(coins(0.2), MIDNIGHT + 3)
    it.governor.assess(MIDNIGHT + 3)
    assert it.told() == [SpendModeChanged("test", OVER_BUDGET, COIN, coins(99), COIN)]
    it.spend(coins(0.5), MIDNIGHT + 4)
    it.governor.assess(MIDNIGHT + 4)
    stopped = Allowance(SpendMode.STOPPED, SpendLimit.DAILY_BUDGET)
    assert it.told() == [SpendModeChanged("test", stopped, coins(1.5), coins(98.5), COIN)]
    it.governor.assess(MIDNIGHT + DAY_S)
    assert it.told() == [SpendModeChanged("test", FREELY, Wei(0), coins(98.5), COIN)]


async def test_a_budget_that_is_spent_at_once_is_told_once() -> None:
    it = desk()
    await it.read()
    it.spend(COIN, MIDNIGHT)
    it.governor.assess(MIDNIGHT)
    assert [type(event) for event in it.told()] == [SpendModeChanged]


async def test_a_transaction_that_a_reorganisation_mines_twice_is_paid_for_once() -> None:
    it = desk()
    await it.read()
    push = mined(coins(0.5), 1)
    it.governor.take(push, MIDNIGHT)
    it.governor.take(push, MIDNIGHT + 1)
    assert it.governor.status(MIDNIGHT + 1).spent_today == coins(0.5)
    it.governor.take(PushFinal("test", 1, push.tx_hash or b""), MIDNIGHT + 2)
    assert it.governor.status(MIDNIGHT + 2).spent_today == coins(0.5)


async def test_the_budget_survives_a_restart() -> None:
    it = desk()
    await it.read()
    it.governor.resume(COIN, MIDNIGHT + HOUR_S)
    it.governor.assess(MIDNIGHT + HOUR_S)
    assert it.governor.allowance == OVER_BUDGET
    assert it.governor.status(MIDNIGHT + HOUR_S).spent_today == COIN


async def test_an_expense_counts_before_the_balance_is_read_again() -> None:
    it = desk(budget=Budget(low_balance=coins(50)))
    await it.read()
    it.spend(coins(50.5), MIDNIGHT)
    it.governor.assess(MIDNIGHT)
    assert it.governor.allowance == Allowance(SpendMode.HEARTBEAT_ONLY, SpendLimit.LOW_BALANCE)


async def test_a_push_costs_its_update_fee_as_well() -> None:
    it = desk()
    it.chain.fee_per_message = 100 * COIN
    it.buffer.take(Market().event({"F1": 100_000}), LoopClock().now())
    await it.view.connect()
    await it.read()
    it.governor.assess(MIDNIGHT)
    assert it.governor.allowance == FREELY
    await it.view.learn_terms()
    it.governor.assess(MIDNIGHT)
    assert it.governor.allowance == Allowance(SpendMode.STOPPED, SpendLimit.LOW_BALANCE)


async def test_an_account_that_cannot_pay_stops_until_it_is_topped_up() -> None:
    it = desk()
    it.chain.balance = 10**13
    await it.read()
    it.governor.assess(MIDNIGHT)
    assert it.governor.allowance == Allowance(SpendMode.STOPPED, SpendLimit.LOW_BALANCE)
    assert it.governor.look_again_s is not None
    it.chain.balance = COIN
    await it.read()
    it.governor.assess(MIDNIGHT + 30)
    assert it.governor.allowance == FREELY
    assert it.governor.look_again_s is None


async def test_fees_over_the_cap_leave_heartbeats_until_they_fall() -> None:
    it = desk(fees=FeePolicy(max_fee=Wei(40 * GWEI)))
    it.chain.base_fee = 41 * GWEI
    await it.read()
    it.governor.assess(MIDNIGHT)
    assert it.governor.allowance == Allowance(SpendMode.HEARTBEAT_ONLY, SpendLimit.FEE_CAP)
    it.chain.base_fee = 40 * GWEI
    await it.read()
    it.governor.assess(MIDNIGHT + 30)
    assert it.governor.allowance == FREELY


async def test_warns_once_when_the_balance_lasts_for_less_than_a_day() -> None:
    it = desk(budget=Budget())
    await it.read()
    it.spend(coins(10), MIDNIGHT + 60)
    for minute in (30, 60, 61, 62):
        it.governor.assess(MIDNIGHT + minute * 60)
    assert it.told() == [BalanceLow("test", coins(90), 9 * HOUR_S)]
    warnings = []
    for coins_left in (300, 10, 1000, 10):
        it.chain.balance = coins_left * COIN
        await it.read()
        it.governor.assess(MIDNIGHT + HOUR_S)
        warnings.append([type(event) for event in it.told()])
    assert warnings == [[], [], [], [BalanceLow]]


async def test_shows_what_it_goes_by() -> None:
    it = desk()
    assert it.governor.status(MIDNIGHT).fee_cap is None
    await it.read()
    it.spend(coins(0.5), MIDNIGHT + 60)
    status = it.governor.status(MIDNIGHT + HOUR_S)
    assert (status.spent_today, status.daily_budget) == (coins(0.5), COIN)
    assert status.runway_s == 199 * HOUR_S
    assert (status.fee_cap, status.tip) == (3 * GWEI, GWEI)


class TestPlans:
    """The planner follows the policies in force."""

    @staticmethod
    async def over_budget(it: Desk, *, age_s: int) -> Planner:
        """Both feeds on chain at 100,000 and `age_s` old, newer prices at the source, F2's has moved."""
        market, clock = Market(), LoopClock()
        old = market.event({"F1": 100_000, "F2": 100_000}, ahead_s=-age_s)
        it.chain.prices.update(old.updates[0].prices)
        it.buffer.take(market.event({"F1": 100_000, "F2": 110_000}), clock.now())
        await it.read()
        planner = Planner(policies=it.governor.policies, buffer=it.buffer, view=it.view, conditional=lambda: False)
        it.governor.resume(COIN, clock.now())
        it.governor.assess(clock.now())
        planner.policies = it.governor.policies
        return planner

    async def test_no_deviation_is_pushed_over_budget_and_it_is_told_once(self) -> None:
        it = desk()
        planner = await self.over_budget(it, age_s=30)
        survey = planner.survey(LoopClock().now(), ())
        assert planner.plan(survey) is None
        assert survey.withheld == [F2]
        it.told()
        it.governor.hold(survey.withheld)
        it.governor.hold(survey.withheld)
        assert it.told() == [PushHeld("test", (F2,))]

    async def test_a_feed_is_told_again_once_its_price_on_chain_is_another(self) -> None:
        it = desk()
        await self.over_budget(it, age_s=30)
        it.governor.hold([F1, F2])
        it.told()
        it.chain.prices.update(Market().event({"F2": 110_000}).updates[0].prices)
        await it.read()
        it.governor.hold([F1, F2])
        assert it.told() == [PushHeld("test", (F2,))]

    async def test_heartbeats_go_on_over_budget(self) -> None:
        planner = await self.over_budget(desk(), age_s=300)
        plan = planner.plan(planner.survey(LoopClock().now(), ()))
        assert plan is not None
        assert plan.feeds == ((F1, Reason.STALE), (F2, Reason.STALE))

    async def test_a_held_feed_joins_a_heartbeat_as_it_is_set(self) -> None:
        it = desk(early=Early.ALWAYS)
        planner = await self.over_budget(it, age_s=30)
        it.chain.prices[F1] = it.chain.prices[F1]._replace(publish_time=it.chain.prices[F1].publish_time - 300)
        await it.read()
        plan = planner.plan(planner.survey(LoopClock().now(), ()))
        assert plan is not None
        assert plan.feeds == ((F1, Reason.STALE), (F2, Reason.JOINS_ALWAYS))

    async def test_forcing_sends_nothing_over_budget(self) -> None:
        planner = await self.over_budget(desk(), age_s=30)
        assert planner.survey(LoopClock().now(), [F1, F2]).due == []


@given(
    pushes=st.lists(st.tuples(st.floats(0, 7200), st.integers(0, 3 * 10**17).map(Wei)), max_size=200),
    budget=st.integers(10**16, 10**18).map(Wei),
)
async def test_no_day_costs_more_than_one_and_a_half_budgets_and_a_push(
    pushes: list[tuple[float, Wei]], budget: Wei
) -> None:
    it = desk(budget=Budget(daily=budget))
    it.chain.balance = 10**30
    await it.read()
    now, by_day = MIDNIGHT, dict[float, Wei]()
    for pause, cost in pushes:
        now += pause
        it.governor.assess(now)
        spent = by_day.get(now // DAY_S, Wei(0))
        assert it.governor.status(now).spent_today == spent
        assert (it.governor.allowance.mode is SpendMode.NORMAL) is (spent < budget)
        if it.governor.allowance.mode is not SpendMode.STOPPED:
            assert spent * 2 < budget * 3
            it.spend(cost, now)
            by_day[now // DAY_S] = Wei(spent + cost)
