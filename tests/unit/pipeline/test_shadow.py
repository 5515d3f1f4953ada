"""A dry run is compared with whoever else pushes."""

import asyncio

import pytest

from keeper.domain.price import Price
from keeper.domain.status import ShadowFeed
from tests.support.chain import GWEI
from tests.support.clock import LoopClock
from tests.support.market import FEEDS
from tests.unit.pipeline.conftest import Bench, Start

F1, F2 = FEEDS[:2]

pytestmark = pytest.mark.looptime


def shadow_of(bench: Bench, alias: str) -> ShadowFeed:
    shadow = bench.network.status().shadow
    assert shadow is not None
    return next(feed for feed in shadow.feeds if feed.alias == alias)


def others_push(bench: Bench, price: int) -> None:
    """Somebody stores a price of the first feed."""
    bench.chain.block += 1
    bench.chain.prices[F1] = Price(price, 1, -8, int(LoopClock().now()))


async def test_counts_pushes_that_would_have_been_made_with_what_they_would_have_cost(start: Start) -> None:
    async with start(dry_run=True) as bench:
        bench.publish(F1=100_000, F2=100_000)
        await asyncio.sleep(2)
        bench.publish(F1=200_000)
        await asyncio.sleep(2)
        first, second = shadow_of(bench, "F1"), shadow_of(bench, "F2")
        assert (first.ours, second.ours, first.theirs) == (2, 1, 0)
        assert first.cost > second.cost > 50_000 * 2 * GWEI
        assert bench.chain.sent == []


async def test_what_is_on_chain_is_shown_as_it_is_and_not_as_pretended(start: Start) -> None:
    async with start(dry_run=True) as bench:
        bench.publish(F1=100_000)
        await asyncio.sleep(2)
        assert [feed.on_chain for feed in bench.network.status().feeds] == [None, None]


async def test_a_write_of_others_after_ours_is_a_lead_of_ours(start: Start) -> None:
    async with start(dry_run=True, poll_interval_s=1.0) as bench:
        bench.publish(F1=100_000)
        await asyncio.sleep(5.2)
        others_push(bench, 100_000)
        await asyncio.sleep(1.1)
        feed = shadow_of(bench, "F1")
        assert (feed.ours, feed.theirs, feed.ours_first, feed.theirs_first) == (1, 1, 1, 0)
        assert feed.mean_lead_s == pytest.approx(6, abs=1.1)
        assert feed.mean_lag_s is None


async def test_a_write_of_others_before_ours_spares_ours_and_a_later_one_is_a_lag(start: Start) -> None:
    async with start(dry_run=True, poll_interval_s=1.0) as bench:
        bench.publish(F1=100_000)
        await asyncio.sleep(2)
        others_push(bench, 100_000)
        await asyncio.sleep(2)
        others_push(bench, 200_000)
        await asyncio.sleep(2)
        bench.publish(F1=200_000)
        await asyncio.sleep(2)
        assert shadow_of(bench, "F1").ours == 1
        bench.publish(F1=300_000)
        await asyncio.sleep(2)
        feed = shadow_of(bench, "F1")
        assert (feed.ours, feed.theirs, feed.ours_first, feed.theirs_first) == (2, 2, 1, 1)
        assert feed.mean_lag_s == pytest.approx(4, abs=1.1)


async def test_only_a_dry_run_has_a_shadow(start: Start) -> None:
    async with start() as bench:
        bench.publish(F1=100_000)
        await asyncio.sleep(2)
        assert bench.network.status().shadow is None
