"""Replicas over one store, in virtual time: takeover, handover, and the end of a term in any doubt."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from keeper.coordination.elections import Elections
from keeper.coordination.lease import Pace, shard_of
from keeper.coordination.mandate import LeaseMandate, Office
from keeper.coordination.trouble import Trouble
from keeper.domain.errors import Fatal, MandateLost
from keeper.domain.events import CoordinationFailed, CoordinationRecovered, Event, LeadershipGained, LeadershipLost
from keeper.ports import Account
from tests.support.clock import LoopClock
from tests.support.leases import FakeLeases, LeaseShelf

pytestmark = pytest.mark.looptime

LEASE_S = 15
SHARDS = [Account("evm", 1, f"0x{number:040x}") for number in range(5)]
ONE = SHARDS[:1]


@dataclass
class Pod:
    """A replica that sends whenever it may, and gives back what it is asked for."""

    name: str
    store: FakeLeases
    mandates: list[LeaseMandate]
    events: list[Event]

    @property
    def leads(self) -> int:
        return sum(mandate.status().held for mandate in self.mandates)

    @property
    def is_sure(self) -> bool:
        with suppress(MandateLost):
            self.mandates[0].assure()
            return True
        return False

    async def keep(self, mandate: LeaseMandate, account: Account) -> None:
        """As a network does: until it is to end."""
        try:
            while True:
                await mandate.gain(account)
                lost, asked_back = asyncio.create_task(mandate.lost()), asyncio.create_task(mandate.asked_back())
                await asyncio.wait({lost, asked_back}, return_when=asyncio.FIRST_COMPLETED)
                if not lost.done():
                    await mandate.release()
                lost.cancel()
                asked_back.cancel()
        finally:
            await mandate.release()


MakePod = Callable[[str], AbstractAsyncContextManager[Pod]]


@pytest.fixture
def pod() -> MakePod:
    return pods(ONE)


def pods(accounts: list[Account]) -> MakePod:
    shelf = LeaseShelf()

    @asynccontextmanager
    async def running(name: str) -> AsyncIterator[Pod]:
        events: list[Event] = []
        office = Office(
            store=FakeLeases(shelf),
            identity=name,
            pace=Pace(LEASE_S),
            boottime=LoopClock().monotonic,
            clock=LoopClock(),
            emit=events.append,
            trouble=Trouble(events.append),
        )
        elections = Elections(office)
        mandates = [elections.mandate("evm") for _ in accounts]
        assert isinstance(office.store, FakeLeases)
        made = Pod(name, office.store, mandates, events)
        tasks = [
            asyncio.create_task(made.keep(mandate, account))
            for mandate, account in zip(mandates, accounts, strict=True)
        ]
        driver = asyncio.create_task(elections.run())
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            driver.cancel()
            await asyncio.gather(driver, return_exceptions=True)

    return running


async def until(condition: Callable[[], bool], within_s: float) -> float:
    """How long it took, in virtual seconds."""
    began = LoopClock().monotonic()
    while not condition():
        assert LoopClock().monotonic() - began < within_s, "it took too long"
        await asyncio.sleep(0.01)
    return LoopClock().monotonic() - began


async def test_the_first_leads_within_a_second_and_tells_so(pod: MakePod) -> None:
    async with pod("a") as first:
        await until(lambda: first.leads == 1, 1)
        assert first.events == [LeadershipGained("evm", shard_of(ONE[0]), 1)]
        assert first.mandates[0].status().holder == "a"


async def test_the_others_stand_by_and_know_who_leads(pod: MakePod) -> None:
    async with pod("a") as first:
        await until(lambda: first.leads == 1, 1)
        async with pod("b") as second:
            await asyncio.sleep(10 * LEASE_S)
            assert (first.leads, second.leads) == (1, 0)
            assert second.mandates[0].status().holder == "a"
            assert not second.is_sure


async def test_a_planned_handover_takes_less_than_a_second(pod: MakePod) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(pod("a"))
        await until(lambda: first.leads == 1, 1)
        async with pod("b") as second:
            await asyncio.sleep(1)
            await stack.aclose()
            assert await until(lambda: second.leads == 1, 2) < 1
        assert isinstance(first.events[-1], LeadershipLost)
        assert first.events[-1].planned


async def test_a_claim_without_a_reason_does_not_delay_a_planned_handover(pod: MakePod) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(pod("a"))
        await until(lambda: first.leads == 1, 1)
        ((shard, lease),) = (await first.store.read()).items()
        await first.store.write(shard, lease.noting(claim="gone"))
        async with pod("b") as second:
            await asyncio.sleep(1)
            await stack.aclose()
            assert await until(lambda: second.leads == 1, 2) < 1


async def test_who_is_cut_off_stops_before_another_one_begins_a_lease_later(pod: MakePod) -> None:
    async with pod("a") as first:
        await until(lambda: first.leads == 1, 1)
        async with pod("b") as second:
            await asyncio.sleep(2.9)
            first.store.cut = True
            stopped_s = await until(lambda: not first.is_sure, LEASE_S)
            taken_s = await until(lambda: second.leads == 1, LEASE_S)
            assert stopped_s + taken_s <= LEASE_S + 1
            assert taken_s > Pace(LEASE_S).reserve_s - 1
            await asyncio.sleep(1)
            assert isinstance(first.events[-1], LeadershipLost | CoordinationFailed)
            assert first.leads == 0


async def test_who_was_cut_off_for_a_while_leads_on(pod: MakePod) -> None:
    async with pod("a") as first:
        await until(lambda: first.leads == 1, 1)
        first.store.cut = True
        await asyncio.sleep(5)
        first.store.cut = False
        await asyncio.sleep(30)
        assert first.leads == 1
        kinds = [type(event) for event in first.events]
        assert kinds == [LeadershipGained, CoordinationFailed, CoordinationRecovered]


async def test_a_refused_write_is_told_and_nobody_leads(pod: MakePod) -> None:
    async with pod("a") as first:
        first.store.refusal = Fatal("the service account may not create leases")
        await asyncio.sleep(5)
        assert first.leads == 0
        assert first.mandates[0].status().trouble == "the service account may not create leases"


async def test_ends_where_its_record_was_taken_away(pod: MakePod) -> None:
    async with pod("a") as first:
        await until(lambda: first.leads == 1, 1)
        first.store.shelf.leases.clear()
        await until(lambda: any(isinstance(event, LeadershipLost) for event in first.events), 1)


async def test_ends_and_holds_back_for_a_lease_where_the_journal_tells_of_another_one(pod: MakePod) -> None:
    async with pod("a") as first:
        await until(lambda: first.leads == 1, 1)
        first.mandates[0].overtaken("the journal is in term 2")
        assert first.events[-1] == LeadershipLost("evm", shard_of(ONE[0]), 1, "the journal is in term 2", planned=False)
        assert not first.is_sure
        assert await until(lambda: first.leads == 1, LEASE_S + 1) > LEASE_S - 1


async def test_a_note_of_another_one_does_not_end_a_term(pod: MakePod) -> None:
    async with pod("a") as first:
        await until(lambda: first.leads == 1, 1)
        for number in range(20):
            ((shard, lease),) = (await first.store.read()).items()
            await first.store.write(shard, lease.noting(order=str(number)))
            await asyncio.sleep(1.5)
        assert [type(event) for event in first.events] == [LeadershipGained]


async def test_a_store_bears_two_reads_a_second_and_five_writes_a_lease(pod: MakePod) -> None:
    async with pod("a") as first:
        await asyncio.sleep(10 * LEASE_S)
        assert first.store.reads <= 10 * LEASE_S * 2.3
        assert first.store.writes <= 10 * 5 * 1.2


async def test_shards_spread_as_replicas_come_and_gather_as_they_go() -> None:
    make = pods(SHARDS)
    async with make("a") as a:
        await until(lambda: a.leads == 5, 2)
        async with make("b") as b, make("c") as c:
            await until(lambda: sorted([a.leads, b.leads, c.leads]) == [1, 2, 2], 10)
            moves = a.store.shelf.written
            await asyncio.sleep(1)
            assert sorted([a.leads, b.leads, c.leads]) == [1, 2, 2]
            assert a.store.shelf.written - moves < 10, "nothing moves once all is shared out"
        await until(lambda: a.leads == 5, 2)


async def test_replicas_that_begin_at_once_share_one_shard_without_two_leaders(pod: MakePod) -> None:
    async with pod("a") as a, pod("b") as b, pod("c") as c:
        await asyncio.sleep(2)
        assert a.leads + b.leads + c.leads == 1
