"""What a network says of pushes that fail one after the other."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from keeper.domain.events import FailingRepeatedly
from keeper.domain.transaction import Outcome
from keeper.domain.units import FeedId
from keeper.ports import Glance
from tests.support.chain import FakeChain
from tests.unit.pipeline.conftest import Bench, Start

pytestmark = pytest.mark.looptime

ENOUGH_S = 400.0
"""For five failures with their pauses."""


async def fail_five_times(bench: Bench) -> None:
    bench.chain.reverting = "InvalidWormholeVaa"
    for tick in range(int(ENOUGH_S)):
        bench.publish(F1=200_000 + tick)
        await asyncio.sleep(1)
        if bench.network.status().consecutive_failures >= 5:
            return
    raise AssertionError("five pushes should have failed")


async def succeed(bench: Bench) -> None:
    bench.chain.reverting = ""
    for tick in range(int(ENOUGH_S)):
        bench.publish(F1=300_000 + tick)
        await asyncio.sleep(1)
        if bench.network.status().consecutive_failures == 0:
            return
    raise AssertionError("a push should have passed")


async def test_five_failures_in_a_row_are_told_with_the_cause(start: Start) -> None:
    async with start() as bench:
        await fail_five_times(bench)
        assert bench.outcomes()[-5:] == [Outcome.REVERTED, *[Outcome.DROPPED] * 4]
        (told,) = bench.told(FailingRepeatedly)
        assert (told.network, told.failures) == ("test", 5)
        assert "InvalidWormholeVaa" in told.cause


async def test_a_streak_is_told_once_and_so_is_the_next_one(start: Start) -> None:
    async with start() as bench:
        await fail_five_times(bench)
        for tick in range(int(ENOUGH_S)):
            bench.publish(F1=400_000 + tick)
            await asyncio.sleep(1)
        assert bench.network.status().consecutive_failures > 5
        assert len(bench.told(FailingRepeatedly)) == 1
        await succeed(bench)
        await fail_five_times(bench)
        assert len(bench.told(FailingRepeatedly)) == 2


@dataclass
class SlowChain(FakeChain):
    """Takes its time over reads."""

    glance_s: float = 5.0

    async def glance(self, feeds: Sequence[FeedId]) -> Glance:
        await asyncio.sleep(self.glance_s)
        return await super().glance(feeds)


async def test_no_push_is_paid_for_before_it_is_known_what_the_last_one_failed_of(start: Start) -> None:
    async with start(chain=SlowChain(), debounce_s=0.0) as bench:
        bench.publish(F1=100_000)
        await asyncio.sleep(1)
        bench.chain.reverting = "InvalidWormholeVaa"
        for tick in range(30):
            bench.publish(F1=200_000 + 1_000 * tick)
            await asyncio.sleep(1)
        outcomes = bench.outcomes()
        assert outcomes[:3] == [Outcome.CONFIRMED, Outcome.REVERTED, Outcome.DROPPED]
        assert outcomes.count(Outcome.REVERTED) == 1


async def test_a_stop_waits_until_it_is_told_what_came_of_the_last_push(start: Start) -> None:
    async with start(chain=SlowChain()) as bench:
        bench.publish(F1=100_000)
        await asyncio.sleep(1)
        bench.chain.reverting = "InvalidWormholeVaa"
        bench.publish(F1=200_000)
        await asyncio.sleep(1)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        bench.network.stop()
        await asyncio.sleep(10)
        assert bench.outcomes() == [Outcome.CONFIRMED, Outcome.REVERTED]
