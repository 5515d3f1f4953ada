"""Others push to the same contract: they are noticed, respected, and raced at no more than half the price."""

import asyncio
from collections.abc import Sequence

import pytest

from keeper.domain.events import PushFinished
from keeper.domain.price import Price
from keeper.domain.transaction import Outcome
from keeper.domain.units import FeedId
from keeper.pipeline.debounce import DebounceMode
from keeper.pipeline.rivals import IfNecessary
from keeper.ports import ChainListener, Glance
from tests.support.chain import FakeChain, Pending
from tests.support.clock import LoopClock
from tests.support.market import FEEDS
from tests.unit.pipeline.conftest import Bench, Start

F1, F2 = FEEDS[:2]
HOUR_S = 3_600

pytestmark = pytest.mark.looptime


class ToldChain(FakeChain):
    """Tells of what rivals write, and of nothing else."""

    listener: ChainListener | None = None
    glance_s: float = 0.0
    """How long a read takes."""

    async def glance(self, feeds: Sequence[FeedId]) -> Glance:
        await asyncio.sleep(self.glance_s)
        return await super().glance(feeds)

    async def follow(self, listener: ChainListener) -> None:
        self.listener = listener
        await asyncio.Event().wait()

    def rival_pushes(self, price: int, *, told: bool = True) -> None:
        """Of the first feed, published now."""
        writes = self.write_as_rival({F1: Price(price, 1, -8, int(LoopClock().now()))})
        if told and self.listener is not None:
            self.listener.on_writes(writes, self.block, b"a rival's transaction")


async def quiet(bench: Bench) -> None:
    bench.publish(F1=100_000, F2=100_000)
    await asyncio.sleep(3)
    bench.events.clear()


async def be_outrun(bench: Bench, chain: ToldChain, **prices: int) -> None:
    """A rival's push of the first feed lands in the same block before ours."""
    chain.automine = False
    bench.publish(**prices)
    await asyncio.sleep(0.1)
    chain.rival_pushes(prices["F1"], told=False)
    chain.mine()
    chain.automine = True


def rival_writes(bench: Bench) -> list[int]:
    return [feed.rival_writes for feed in bench.network.status().feeds]


async def test_a_rivals_price_that_is_told_withdraws_what_was_due(start: Start) -> None:
    chain = ToldChain()
    async with start(chain=chain, debounce_mode=DebounceMode.TRAILING) as bench:
        await quiet(bench)
        bench.publish(F1=110_000, F2=100_000)
        await asyncio.sleep(0.5)
        chain.rival_pushes(110_000)
        await asyncio.sleep(3)
        assert bench.outcomes() == []
        assert rival_writes(bench) == [1, 0]


async def test_a_rivals_price_that_is_only_found_by_a_poll_is_counted_once(start: Start) -> None:
    async with start(chain=ToldChain(), poll_interval_s=5) as bench:
        await quiet(bench)
        assert isinstance(bench.chain, ToldChain)
        bench.chain.rival_pushes(110_000, told=False)
        await asyncio.sleep(30)
        assert rival_writes(bench) == [1, 0]


async def test_own_pushes_are_not_a_rivals(start: Start) -> None:
    async with start(poll_interval_s=2) as bench:
        await quiet(bench)
        for price in (110_000, 120_000, 130_000):
            bench.publish(F1=price, F2=100_000)
            await asyncio.sleep(3)
        assert rival_writes(bench) == [0, 0]


@pytest.mark.parametrize(
    ("rule", "rival", "conditional"),
    [
        (IfNecessary.ALWAYS, False, True),
        (IfNecessary.AUTO, False, False),
        (IfNecessary.AUTO, True, True),
        (IfNecessary.NEVER, True, False),
    ],
)
async def test_pushes_are_conditional_as_the_rule_says(
    start: Start, rule: IfNecessary, *, rival: bool, conditional: bool
) -> None:
    chain = ToldChain()
    async with start(chain=chain, if_necessary=rule) as bench:
        await quiet(bench)
        if rival:
            chain.rival_pushes(100_000)
        await asyncio.sleep(2)
        bench.publish(F1=110_000, F2=100_001)
        await asyncio.sleep(1)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        pushed = _last_sent(bench)
        assert set(pushed.conditions) == ({F1} if conditional else set())


async def test_conditions_end_an_hour_after_the_last_rival(start: Start) -> None:
    chain = ToldChain()
    async with start(chain=chain) as bench:
        await quiet(bench)
        chain.rival_pushes(100_000)
        await asyncio.sleep(HOUR_S + 1)
        bench.publish(F1=110_000, F2=100_000)
        await asyncio.sleep(1)
        assert not _last_sent(bench).conditions


async def test_a_lost_race_costs_half_and_is_no_failure(start: Start) -> None:
    chain = ToldChain()
    async with start(chain=chain, if_necessary=IfNecessary.ALWAYS) as bench:
        await quiet(bench)
        balance = chain.balance
        await be_outrun(bench, chain, F1=110_000, F2=100_000)
        await asyncio.sleep(8)
        (lost,) = bench.told(PushFinished)
        assert lost.outcome is Outcome.LOST_RACE
        assert lost.cost is not None
        assert lost.cost.total == balance - chain.balance
        assert lost.gas_used == 42_000
        status = bench.network.status()
        assert status.consecutive_failures == 0
        assert status.pushes[Outcome.LOST_RACE] == 1
        bench.publish(F1=120_000, F2=100_000)
        await asyncio.sleep(1)
        assert bench.outcomes() == [Outcome.LOST_RACE, Outcome.CONFIRMED]


@pytest.mark.parametrize(
    ("rule", "outcome"), [(IfNecessary.ALWAYS, Outcome.LOST_RACE), (IfNecessary.NEVER, Outcome.NOTHING_NEWER)]
)
async def test_nothing_is_pushed_again_before_it_is_known_who_was_faster(
    start: Start, rule: IfNecessary, outcome: Outcome
) -> None:
    chain = ToldChain()
    async with start(chain=chain, if_necessary=rule) as bench:
        await quiet(bench)
        chain.glance_s = 5.0
        await be_outrun(bench, chain, F1=110_000, F2=100_000)
        for _ in range(20):
            await asyncio.sleep(1)
            bench.publish(F1=110_000, F2=100_000)
        assert bench.outcomes() == [outcome]
        assert rival_writes(bench) == [1, 0]


async def test_a_race_lost_by_one_of_two_feeds_is_not_run_again(start: Start) -> None:
    chain = ToldChain()
    async with start(chain=chain) as bench:
        await quiet(bench)
        await be_outrun(bench, chain, F1=110_000, F2=110_000)
        for _ in range(20):
            await asyncio.sleep(1)
            bench.publish(F1=110_000, F2=110_000)
        (push,) = bench.told(PushFinished)
        assert push.written == (F2,)
        assert rival_writes(bench) == [1, 0]


async def test_a_race_lost_without_conditions_is_not_run_again(start: Start) -> None:
    chain = ToldChain()
    async with start(chain=chain, if_necessary=IfNecessary.NEVER) as bench:
        await quiet(bench)
        await be_outrun(bench, chain, F1=110_000, F2=100_000)
        await asyncio.sleep(30)
        assert bench.outcomes() == [Outcome.NOTHING_NEWER]


async def test_another_reason_to_revert_is_a_failure_and_named(start: Start) -> None:
    chain = FakeChain()
    async with start(chain=chain, if_necessary=IfNecessary.ALWAYS) as bench:
        await quiet(bench)
        chain.fee_per_message = 2
        bench.publish(F1=110_000, F2=100_000)
        await asyncio.sleep(1)
        (failed,) = bench.told(PushFinished)
        assert failed.outcome is Outcome.REVERTED
        assert failed.detail.endswith("InsufficientFee")


def _last_sent(bench: Bench) -> Pending:
    return bench.chain.mined[-1].pending
