"""Who may send sends; who stands by watches, is ready, and passes on what it is asked for."""

import asyncio

import pytest

from keeper.domain.errors import Fatal
from keeper.domain.orders import PushRequest
from tests.support.chain import FakeChain
from tests.support.journal import FakeJournal, Shelf
from tests.support.mandate import FakeMandate
from tests.support.market import FEEDS
from tests.unit.pipeline.conftest import Bench, Start

pytestmark = pytest.mark.looptime

F1, F2 = FEEDS[:2]


async def settle(bench: Bench, **prices: int) -> int:
    """How much was sent because of these prices."""
    before = len(bench.chain.sent)
    bench.publish(**prices)
    await asyncio.sleep(5)
    return len(bench.chain.sent) - before


async def test_who_stands_by_is_ready_and_sends_nothing(start: Start) -> None:
    async with start(mandate=FakeMandate()) as bench:
        assert await settle(bench, F1=100_000, F2=100_000) == 0
        status = bench.network.status()
        assert status.ready
        assert not status.leadership.held
        assert not bench.network.takes_requests


async def test_who_comes_to_lead_sends_at_once_what_is_due(start: Start) -> None:
    mandate = FakeMandate()
    async with start(mandate=mandate) as bench:
        await settle(bench, F1=100_000, F2=100_000)
        mandate.give()
        await asyncio.sleep(1)
        assert len(bench.chain.sent) == 1
        assert bench.network.takes_requests


async def test_who_has_lost_it_sends_nothing_until_it_leads_again(start: Start) -> None:
    mandate = FakeMandate()
    mandate.give()
    async with start(mandate=mandate) as bench:
        assert await settle(bench, F1=100_000, F2=100_000) == 1
        mandate.take()
        assert await settle(bench, F1=200_000, F2=200_000) == 0
        assert bench.network.status().ready
        mandate.give()
        await asyncio.sleep(2)
        assert len(bench.chain.sent) == 2


async def test_nothing_is_signed_once_too_little_is_left(start: Start) -> None:
    mandate = FakeMandate()
    mandate.give()
    async with start(mandate=mandate) as bench:
        assert await settle(bench, F1=100_000, F2=100_000) == 1
        mandate.sure = False
        assert await settle(bench, F1=200_000, F2=200_000) == 0
        assert mandate.refusals == 1


async def test_who_was_overtaken_by_the_journals_word_sends_nothing_and_stands_by(start: Start) -> None:
    mandate, shelf = FakeMandate(), Shelf()
    mandate.give()
    async with start(mandate=mandate, journal=FakeJournal(shelf)) as bench:
        assert await settle(bench, F1=100_000, F2=100_000) == 1
        successor = FakeJournal(shelf)
        await successor.begin_term(next(iter(shelf.stories)))
        assert await settle(bench, F1=200_000, F2=200_000) == 0
        assert mandate.overtakings == ["another keeper has begun to send"]
        assert bench.network.status().ready
        mandate.give()
        await asyncio.sleep(2)
        assert len(bench.chain.sent) == 2


async def test_a_dry_run_leaves_the_term_and_what_is_in_flight_to_whoever_sends(start: Start) -> None:
    shelf, chain = Shelf(), FakeChain(automine=False)
    async with start(chain=chain, journal=FakeJournal(shelf)) as bench:
        assert await settle(bench, F1=100_000, F2=100_000) == 1
    async with start(chain=chain, journal=FakeJournal(shelf), dry_run=True) as bench:
        assert await settle(bench, F1=100_000, F2=100_000) == 0
        await asyncio.sleep(60)
        assert len(chain.sent) == 1
        assert set(shelf.epochs.values()) == {1}


async def test_what_is_asked_back_is_released_after_what_is_in_flight_has_landed(start: Start) -> None:
    mandate = FakeMandate()
    mandate.give()
    chain = FakeChain()
    async with start(mandate=mandate, chain=chain) as bench:
        assert await settle(bench, F1=100_000, F2=100_000) == 1
        mandate.wanted_back.set()
        await asyncio.sleep(3)
        assert mandate.releases == 1
        assert bench.network.status().in_flight == 0


async def test_a_force_on_a_standby_is_left_to_whoever_sends(start: Start) -> None:
    async with start(mandate=FakeMandate()) as bench:
        await settle(bench, F1=100_000, F2=100_000)
        bench.network.force("signal")
        await asyncio.sleep(0.1)
        request = await bench.orders.take(bench.network.addressee, 0)
        assert request == PushRequest(frozenset({F1, F2}), "signal")


async def test_a_force_on_a_standby_waits_where_it_cannot_be_passed_on(start: Start) -> None:
    async with start(mandate=FakeMandate()) as bench:
        await settle(bench, F1=100_000, F2=100_000)
        bench.orders.error, bench.orders.failures = Fatal("the service account may not list leases"), 2
        bench.network.force("signal")
        await asyncio.sleep(5)
        assert await bench.orders.take(bench.network.addressee, 0) == PushRequest(frozenset({F1, F2}), "signal")


async def test_the_timer_of_a_standby_forces_nothing(start: Start) -> None:
    async with start(mandate=FakeMandate(), force_interval_s=10.0) as bench:
        await settle(bench, F1=100_000, F2=100_000)
        await asyncio.sleep(30)
        assert await bench.orders.take(bench.network.addressee, 0) is None
