"""Feeds and policies of a network that runs are exchanged for others."""

import asyncio
from dataclasses import replace

import pytest

from keeper.domain.policy import Deviation, Staleness
from keeper.domain.price import Price
from keeper.domain.units import Ppm
from tests.support.clock import LoopClock
from tests.support.market import FEEDS
from tests.unit.pipeline.conftest import POLICY, Bench, Start

F1, F2, F3 = FEEDS[:3]
NAMES = {F1: "F1", F2: "F2", F3: "F3"}

pytestmark = pytest.mark.looptime


async def kept(bench: Bench) -> None:
    """Two feeds on chain at 100,000, and the debounce window over."""
    bench.publish(F1=100_000, F2=100_000)
    await asyncio.sleep(2)
    bench.events.clear()


async def test_a_threshold_holds_from_the_next_price_on(start: Start) -> None:
    async with start() as bench:
        await kept(bench)
        bench.publish(F1=100_050)
        await asyncio.sleep(2)
        assert bench.pushed() == []
        finer = replace(POLICY, rules=(Deviation(Ppm(100)), Staleness(60)))
        bench.network.adopt({F1: finer, F2: POLICY}, {F1: "F1", F2: "F2"})
        await asyncio.sleep(0.5)
        assert bench.pushed() == [(F1,)]


async def test_a_feed_that_is_taken_away_is_not_pushed_and_not_shown(start: Start) -> None:
    async with start() as bench:
        await kept(bench)
        bench.network.adopt({F1: POLICY}, {F1: "F1"})
        bench.publish(F1=200_000, F2=200_000)
        await asyncio.sleep(2)
        assert bench.pushed() == [(F1,)]
        assert [feed.alias for feed in bench.network.status().feeds] == ["F1"]


async def test_a_feed_that_is_added_is_pushed_by_what_the_chain_has_of_it(start: Start) -> None:
    async with start() as bench:
        await kept(bench)
        bench.chain.prices[F3] = Price(100_000, 1, -8, int(LoopClock().now()))
        bench.network.adopt(dict.fromkeys(NAMES, POLICY), NAMES)
        bench.publish(F3=100_001)
        await asyncio.sleep(2)
        assert bench.pushed() == []
        assert [feed.alias for feed in bench.network.status().feeds] == ["F1", "F2", "F3"]
        bench.publish(F3=200_000)
        await asyncio.sleep(2)
        assert bench.pushed() == [(F3,)]


async def test_a_feed_that_is_added_while_the_chain_is_silent_waits_until_it_answers(start: Start) -> None:
    async with start() as bench:
        await kept(bench)
        bench.chain.unreadable = 2
        bench.network.adopt(dict.fromkeys(NAMES, POLICY), NAMES)
        bench.publish(F3=100_000)
        await asyncio.sleep(7)
        assert bench.pushed() == []
        await asyncio.sleep(7)
        assert bench.pushed() == [(F3,)]
