"""How long prices on chain were out of policy, to the moment, whoever was to blame."""

import asyncio

import pytest

from keeper.domain.status import FeedStatus
from tests.support.chain import FakeChain
from tests.unit.pipeline.conftest import Bench, Start

pytestmark = pytest.mark.looptime


async def quiet(bench: Bench) -> None:
    """Both feeds on chain at 100,000, and all of that accounted for."""
    bench.publish(F1=100_000, F2=100_000)
    await asyncio.sleep(3)


def feeds(bench: Bench) -> tuple[FeedStatus, FeedStatus]:
    first, second = bench.network.status().feeds
    return first, second


async def test_the_time_until_a_push_is_known_to_be_mined_counts(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        before, _ = feeds(bench)
        bench.chain.automine = False
        bench.publish(F1=110_000, F2=100_000)
        await asyncio.sleep(7)
        bench.chain.mine()
        await asyncio.sleep(3)
        first, second = feeds(bench)
        assert 7 <= first.out_of_policy_s - before.out_of_policy_s < 9
        assert second.out_of_policy_s == before.out_of_policy_s


async def test_what_falls_due_while_another_push_waits_counts(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        _, before = feeds(bench)
        bench.chain.automine = False
        bench.publish(F1=110_000, F2=100_000)
        await asyncio.sleep(5)
        bench.publish(F1=110_000, F2=110_000)
        await asyncio.sleep(5)
        bench.chain.mine()
        bench.chain.automine = True
        await asyncio.sleep(5)
        _, second = feeds(bench)
        assert second.out_of_policy_s - before.out_of_policy_s == pytest.approx(5, abs=1.2)


@pytest.mark.parametrize(("heard", "out_s"), [(True, 0), (False, 40)])
async def test_prices_that_stand_still_count_only_while_the_source_is_silent(
    start: Start, *, heard: bool, out_s: float
) -> None:
    async with start() as bench:
        await quiet(bench)
        before, _ = feeds(bench)
        bench.source.heard = heard
        await asyncio.sleep(97)
        first, _ = feeds(bench)
        assert first.out_of_policy_s - before.out_of_policy_s == pytest.approx(out_s, abs=1.1)


async def test_the_share_is_that_of_all_feeds_and_of_the_last_hour(start: Start) -> None:
    chain = FakeChain()
    async with start(chain=chain) as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.publish(F1=110_000, F2=100_000)
        await asyncio.sleep(36)
        bench.chain.mine()
        bench.chain.automine = True
        await asyncio.sleep(1)
        bench.source.heard = True
        await asyncio.sleep(323)
        share = bench.network.status().in_policy
        assert share.since_start == pytest.approx(1_000_000 - 50_000, abs=3_000)
        assert share.last_hour == share.since_start
        await asyncio.sleep(3_700)
        share = bench.network.status().in_policy
        assert share.last_hour == 1_000_000
        assert share.since_start is not None
        assert share.since_start < 1_000_000
