"""What an operator asks for is done, and nothing else; a pause stops what is new and nothing that is in flight."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from keeper.domain.errors import Fatal
from keeper.domain.events import ForceRefused, ForceRequested, PushingPaused, PushingResumed, PushSent
from keeper.domain.orders import Pause, PushRequest
from keeper.domain.transaction import Outcome
from keeper.domain.units import FeedId
from keeper.pipeline.orders import Heeding
from tests.support.chain import FakeChain
from tests.support.clock import LoopClock
from tests.support.market import FEEDS
from tests.support.orders import FakeOrders
from tests.unit.pipeline.conftest import Bench, Start

pytestmark = pytest.mark.looptime

F1, F2 = FEEDS[:2]


def asked_for(*feeds: FeedId) -> PushRequest:
    return PushRequest(frozenset(feeds), "alice")


@asynccontextmanager
async def heeded(bench: Bench) -> AsyncIterator[Heeding]:
    """Orders are heeded within the block, with both feeds on chain and a newer price for each."""
    bench.publish(F1=100_000, F2=100_000)
    await asyncio.sleep(2)
    bench.events.clear()
    bench.publish(F1=100_001, F2=100_001)
    heeding = Heeding(bench.orders, [bench.network], LoopClock())
    task = asyncio.create_task(heeding.run())
    try:
        yield heeding
    finally:
        task.cancel()


async def ask(bench: Bench, request: PushRequest) -> None:
    await bench.orders.ask(bench.network.addressee, request, LoopClock().now())


async def pause(bench: Bench) -> Pause:
    made = Pause("alice", LoopClock().now())
    await bench.orders.pause(bench.network.addressee, made)
    return made


async def resume(bench: Bench) -> None:
    await bench.orders.resume(bench.network.addressee, by="bob", now=LoopClock().now())


async def test_pushes_the_feeds_that_were_asked_for_within_a_second(start: Start) -> None:
    async with start() as bench, heeded(bench):
        await ask(bench, asked_for(F2))
        await asyncio.sleep(1.1)
        assert bench.pushed() == [(F2,)]
        assert bench.told(ForceRequested) == [ForceRequested("test", "control", 1, "alice")]


async def test_pushes_all_feeds_where_none_is_named(start: Start) -> None:
    async with start() as bench, heeded(bench):
        await ask(bench, PushRequest(None, "alice"))
        await asyncio.sleep(1.1)
        assert bench.pushed() == [(F1, F2)]


async def test_looks_at_once_where_it_is_called(start: Start) -> None:
    async with start() as bench, heeded(bench) as heeding:
        await ask(bench, asked_for(F2))
        heeding.look_now()
        await asyncio.sleep(0.01)
        assert bench.pushed() == [(F2,)]


async def test_many_requests_are_one_push(start: Start) -> None:
    async with start() as bench, heeded(bench):
        for _ in range(20):
            await ask(bench, asked_for(F1))
        await ask(bench, asked_for(F2))
        await asyncio.sleep(5)
        assert bench.pushed() == [(F1, F2)]


async def test_orders_that_cannot_be_read_are_read_a_second_later(start: Start) -> None:
    async with start() as bench, heeded(bench):
        await ask(bench, asked_for(F1))
        bench.orders.failures = 2
        await asyncio.sleep(3.1)
        assert bench.pushed() == [(F1,)]


async def test_feeds_that_it_does_not_keep_are_not_pushed(start: Start) -> None:
    async with start() as bench, heeded(bench):
        await ask(bench, asked_for(FeedId("a" * 64)))
        await asyncio.sleep(5)
        assert bench.pushed() == []


async def test_a_server_that_refuses_everybody_while_it_starts_does_not_end_the_looking(start: Start) -> None:
    async with start() as bench, heeded(bench):
        bench.orders.error = Fatal("the service account may not list leases")
        bench.orders.failures = 2
        await asyncio.sleep(3)
        await ask(bench, asked_for(F2))
        await asyncio.sleep(1.1)
        assert bench.pushed() == [(F2,)]


async def test_without_a_request_nothing_is_forced(start: Start) -> None:
    async with start() as bench, heeded(bench):
        await asyncio.sleep(5)
        assert bench.told(ForceRequested) == []


async def test_all_networks_are_looked_after_in_one_look(start: Start) -> None:
    async with start() as one, start() as other:
        heeding = Heeding(one.orders, [one.network, other.network], LoopClock())
        before = one.orders.looks
        task = asyncio.create_task(heeding.run())
        await asyncio.sleep(10.5)
        task.cancel()
        assert one.orders.looks - before == 10


async def test_a_network_that_is_not_ready_leaves_its_requests_to_another_process(start: Start) -> None:
    async with start() as bench:
        await ask(bench, asked_for(F1))
        heeding = asyncio.create_task(Heeding(bench.orders, [bench.network], LoopClock()).run())
        await asyncio.sleep(5)
        assert bench.orders.requests
        bench.publish(F1=100_000, F2=100_000)
        await asyncio.sleep(3)
        heeding.cancel()
        assert not bench.orders.requests


async def test_while_it_is_paused_nothing_new_is_pushed_and_afterwards_what_is_due(start: Start) -> None:
    async with start() as bench, heeded(bench):
        made = await pause(bench)
        await asyncio.sleep(1.1)
        bench.publish(F1=200_000)
        await asyncio.sleep(30)
        assert bench.pushed() == []
        assert bench.told(PushingPaused) == [PushingPaused("test", made)]
        assert bench.network.status().pause == made
        await resume(bench)
        await asyncio.sleep(1.1)
        assert bench.pushed() == [(F1,)]
        assert bench.told(PushingResumed) == [PushingResumed("test", made)]
        assert bench.network.status().pause is None


async def test_the_time_out_of_policy_counts_on_while_it_is_paused(start: Start) -> None:
    async with start() as bench, heeded(bench):
        await pause(bench)
        await asyncio.sleep(1.1)
        bench.publish(F1=200_000)
        await asyncio.sleep(20)
        (first, _) = bench.network.status().feeds
        assert first.out_of_policy_s == pytest.approx(20, abs=2)


async def test_a_forced_update_is_refused_while_it_is_paused_and_not_made_up_for(start: Start) -> None:
    async with start() as bench, heeded(bench):
        made = await pause(bench)
        await asyncio.sleep(1.1)
        bench.network.force("signal")
        await ask(bench, asked_for(F1))
        await asyncio.sleep(1.1)
        assert bench.told(ForceRefused) == [
            ForceRefused("test", "signal", 2, "", made),
            ForceRefused("test", "control", 1, "alice", made),
        ]
        await resume(bench)
        await asyncio.sleep(5)
        assert bench.pushed() == []


async def test_what_is_in_flight_is_replaced_and_seen_to_its_end_while_it_is_paused(start: Start) -> None:
    chain = FakeChain()
    async with start(chain=chain) as bench, heeded(bench):
        chain.automine = False
        bench.publish(F1=200_000)
        await asyncio.sleep(0.5)
        assert len(bench.told(PushSent)) == 1
        await pause(bench)
        await asyncio.sleep(1.1)
        bench.publish(F1=300_000)
        chain.pass_blocks(2)
        await asyncio.sleep(10)
        assert [sent.replaces for sent in bench.told(PushSent)] == [False, True]
        chain.mine()
        await asyncio.sleep(10)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert bench.network.status().in_flight == 0


async def test_a_pause_that_stands_holds_from_the_start(start: Start) -> None:
    orders = FakeOrders()
    async with start(orders=orders) as bench:
        made = await pause(bench)
        bench.publish(F1=100_000, F2=100_000)
        await asyncio.sleep(5)
        assert bench.network.status().ready
        assert bench.pushed() == []
        assert bench.told(PushingPaused) == [PushingPaused("test", made)]


async def test_it_does_not_begin_before_it_knows_whether_it_is_paused(start: Start) -> None:
    orders = FakeOrders(failures=2)
    async with start(orders=orders) as bench:
        orders.pauses[bench.network.addressee] = Pause("alice", LoopClock().now())
        bench.publish(F1=100_000, F2=100_000)
        await asyncio.sleep(20)
        assert bench.pushed() == []
        assert bench.told(PushingPaused)
