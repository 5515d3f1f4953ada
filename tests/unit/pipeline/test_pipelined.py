"""Several transactions of one account in flight."""

import asyncio

import pytest

from keeper.domain.events import PushSent
from keeper.domain.transaction import Outcome
from tests.support.market import FEEDS
from tests.unit.pipeline.conftest import Start

pytestmark = pytest.mark.looptime

F1, F2 = FEEDS[:2]


async def test_a_replacement_leaves_to_later_transactions_what_they_carry(start: Start) -> None:
    async with start(max_in_flight=2, debounce_s=0.0) as bench:
        bench.publish(F1=100_000, F2=100_000)
        await asyncio.sleep(5)
        bench.events.clear()
        bench.chain.automine = False
        bench.publish(F1=110_000)
        await asyncio.sleep(1)
        bench.publish(F2=110_000)
        await asyncio.sleep(1)
        assert [sent.feeds for sent in bench.told(PushSent)] == [(F1,), (F2,)]
        bench.publish(F1=120_000, F2=120_000)
        bench.chain.pass_blocks(2)
        await asyncio.sleep(30)
        assert [sent.feeds for sent in bench.told(PushSent)] == [(F1,), (F2,), (F1,), (F2,)]
        bench.chain.mine()
        await asyncio.sleep(30)
        assert bench.outcomes() == [Outcome.CONFIRMED] * 2
        assert [bench.chain.prices[feed].price for feed in (F1, F2)] == [120_000] * 2
