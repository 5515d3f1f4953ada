"""What a network says of pushes that fail one after the other."""

import asyncio

import pytest

from keeper.domain.events import FailingRepeatedly
from keeper.domain.transaction import Outcome
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
