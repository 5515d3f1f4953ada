"""A journal that fails stops what it should stop and nothing else, and catches up by itself."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from keeper.domain.errors import JournalError, MandateLost
from keeper.domain.events import Event, JournalFailed, JournalRecovered
from keeper.domain.transaction import Flight, State
from keeper.pipeline.journaling import BACKLOG_LIMIT, DurableJournal, OnFailure, prune_hourly
from keeper.ports import Note, Recovered
from tests.support import flights as f
from tests.support.clock import EPOCH, LoopClock
from tests.support.flights import ACCOUNT, BTC
from tests.support.journal import FakeJournal
from tests.support.waiting import wait_until

pytestmark = pytest.mark.looptime

FULL = "the disk is full: free some space"


@dataclass
class Bench:
    fake: FakeJournal
    journal: DurableJournal
    events: list[Event] = field(default_factory=list)

    async def record(self, flight: Flight, kind: str, at: float = 1.0) -> None:
        await self.journal.record(ACCOUNT, flight, f.note(at, kind, flight.newest))

    def kinds(self, push: int = 1) -> list[str]:
        return [note.kind for note in self.fake.notes(ACCOUNT, push)]


def make(on_failure: OnFailure) -> Bench:
    fake = FakeJournal()
    events: list[Event] = []
    return Bench(fake, DurableJournal(fake, on_failure=on_failure, clock=LoopClock(), emit=events.append), events)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A journal that goes on, open."""
    bench = make(OnFailure.CONTINUE)
    await bench.journal.open()
    yield bench
    await bench.journal.close()


@pytest.fixture
async def strict() -> AsyncIterator[Bench]:
    """A journal that stops, open."""
    bench = make(OnFailure.STOP)
    await bench.journal.open()
    yield bench
    await bench.journal.close()


def flight(push: int = 1) -> Flight:
    return Flight(push, push, (f.attempt(push % 256, f.plan(BTC)),))


async def test_records_pass_through_while_all_is_well(bench: Bench) -> None:
    await bench.record(flight(), "signed")
    assert bench.kinds() == ["signed"]
    assert not bench.journal.degraded
    assert bench.events == []


async def test_alarms_once_and_goes_on_when_the_journal_fails(bench: Bench) -> None:
    bench.fake.failure = FULL
    await bench.record(flight(), "signed")
    await bench.record(f.sent(flight()), "taken")
    assert bench.events == [JournalFailed(FULL)]
    assert bench.journal.degraded


async def test_writes_what_waited_in_order_once_the_journal_works_again(bench: Bench) -> None:
    bench.fake.failure = FULL
    for kind in ("signed", "taken", "mined"):
        await bench.record(flight(), kind)
    await asyncio.sleep(60)
    bench.fake.failure = ""
    await wait_until(lambda: not bench.journal.degraded, timeout_s=6)
    assert bench.kinds() == ["signed", "taken", "mined"]
    assert bench.events == [JournalFailed(FULL), JournalRecovered(backlog=3, lost=0)]


async def test_tries_again_every_five_seconds_at_most(bench: Bench) -> None:
    bench.fake.failure = FULL
    await bench.record(flight(), "signed")
    await asyncio.sleep(60)
    opened = bench.fake.opened
    await asyncio.sleep(60)
    assert bench.fake.opened == opened + 12


async def test_what_waited_while_another_keeper_began_to_send_is_left_to_that_one(bench: Bench) -> None:
    await bench.journal.begin_term(ACCOUNT)
    bench.fake.failure = FULL
    await bench.record(flight(), "signed")
    bench.fake.failure = ""
    await FakeJournal(bench.fake.shelf).begin_term(ACCOUNT)
    await wait_until(lambda: not bench.journal.degraded, timeout_s=5)
    assert bench.events[-1] == JournalRecovered(backlog=0, lost=1)
    with pytest.raises(MandateLost):
        await bench.record(flight(2), "signed")


async def test_what_waited_through_a_term_of_another_keeper_is_not_written_over_what_that_one_settled(
    bench: Bench,
) -> None:
    await bench.journal.begin_term(ACCOUNT)
    await bench.record(flight(), "signed")
    bench.fake.delay_s = 30.0
    bench.fake.failure = FULL
    await bench.record(f.sent(flight()), "taken")
    bench.fake.failure = ""
    other = FakeJournal(bench.fake.shelf)
    await other.open()
    await other.begin_term(ACCOUNT)
    await other.record(ACCOUNT, replace(flight(), end=State.SUPERSEDED), f.note(3, "superseded"))
    await bench.journal.begin_term(ACCOUNT)
    await wait_until(lambda: not bench.journal.degraded, timeout_s=100)
    assert bench.kinds() == ["signed", "superseded"]
    assert bench.events[-1] == JournalRecovered(backlog=0, lost=1)


async def test_a_term_begins_without_a_journal_where_that_may_fail(bench: Bench, strict: Bench) -> None:
    bench.fake.failure = strict.fake.failure = FULL
    assert await bench.journal.begin_term(ACCOUNT) == 0
    with pytest.raises(JournalError, match=FULL):
        await strict.journal.begin_term(ACCOUNT)
    strict.fake.failure = ""


async def test_a_term_that_the_journal_could_not_begin_is_not_held_against_whoever_sends(bench: Bench) -> None:
    await bench.journal.begin_term(ACCOUNT)
    await FakeJournal(bench.fake.shelf).begin_term(ACCOUNT)
    bench.fake.failure = FULL
    assert await bench.journal.begin_term(ACCOUNT) == 0
    await bench.record(flight(), "signed")
    bench.fake.failure = ""
    await wait_until(lambda: not bench.journal.degraded, timeout_s=5)
    await bench.record(flight(2), "signed")
    assert (bench.kinds(1), bench.kinds(2)) == (["signed"], ["signed"])


async def test_what_comes_while_the_backlog_is_written_stays_in_order(bench: Bench) -> None:
    bench.fake.failure = FULL
    await bench.record(flight(), "signed")
    bench.fake.failure, bench.fake.delay_s = "", 1.0
    await asyncio.sleep(0.5)
    await bench.record(flight(), "taken")
    await wait_until(lambda: not bench.journal.degraded, timeout_s=5)
    assert bench.kinds() == ["signed", "taken"]


async def test_alarms_again_when_it_fails_again(bench: Bench) -> None:
    for _ in range(2):
        bench.fake.failure = FULL
        await bench.record(flight(), "signed")
        bench.fake.failure = ""
        await wait_until(lambda: not bench.journal.degraded, timeout_s=5)
    assert bench.events == [JournalFailed(FULL), JournalRecovered(1, 0)] * 2


async def test_drops_lines_of_history_before_signatures_and_receipts(bench: Bench) -> None:
    bench.fake.failure = FULL
    kinds = ["signed", "mined", "taken", "refused", *["signed"] * (BACKLOG_LIMIT - 4)]
    for push, kind in enumerate(kinds, start=1):
        await bench.record(flight(push), kind)
    for _ in range(3):
        await bench.record(flight(9999), "signed")
    bench.fake.failure = ""
    await wait_until(lambda: not bench.journal.degraded, timeout_s=6)
    assert bench.events[-1] == JournalRecovered(backlog=BACKLOG_LIMIT, lost=3)
    stories = bench.fake.shelf.stories[ACCOUNT]
    assert {1, 2, 3, 4} & stories.keys() == {2}


async def test_nothing_is_signed_while_the_journal_fails_and_that_is_asked_for(strict: Bench) -> None:
    strict.fake.failure = FULL
    for _ in range(2):
        with pytest.raises(JournalError, match="disk is full"):
            await strict.record(flight(), "signed")
    assert strict.events == [JournalFailed(FULL)]
    strict.fake.failure = ""
    await strict.record(flight(), "signed")
    assert strict.events[1:] == [JournalRecovered(0, 0)]
    assert strict.kinds() == ["signed"]


async def test_what_happens_to_what_is_out_is_kept_even_then(strict: Bench) -> None:
    await strict.record(flight(), "signed")
    strict.fake.failure = FULL
    await strict.record(f.sent(flight()), "taken")
    with pytest.raises(JournalError, match="behind"):
        await strict.record(flight(2), "signed")
    strict.fake.failure = ""
    await wait_until(lambda: not strict.journal.degraded, timeout_s=5)
    assert strict.kinds() == ["signed", "taken"]
    await strict.record(flight(2), "signed")
    assert strict.kinds(2) == ["signed"]


async def test_waits_at_the_start_for_a_journal_that_is_about_to_be_there() -> None:
    bench = make(OnFailure.CONTINUE)
    bench.fake.failure = FULL
    opening = asyncio.create_task(bench.journal.open())
    await asyncio.sleep(5)
    assert not opening.done()
    bench.fake.failure = ""
    await opening
    assert bench.events == []
    await bench.journal.close()


async def test_starts_without_one_that_cannot_be_opened_and_numbers_pushes_by_the_clock() -> None:
    bench = make(OnFailure.CONTINUE)
    bench.fake.failure = FULL
    await bench.journal.open()
    started = asyncio.get_running_loop().time()
    assert started >= 10
    assert await bench.journal.recover(ACCOUNT) == Recovered((), int((EPOCH + started) * 1000))
    assert await bench.journal.spent(ACCOUNT, 0) == 0
    assert bench.events == [JournalFailed(FULL)]
    await bench.record(flight(), "signed")
    bench.fake.failure = ""
    await wait_until(lambda: not bench.journal.degraded, timeout_s=6)
    assert bench.kinds() == ["signed"]
    await bench.journal.close()


async def test_does_not_start_without_one_when_that_is_asked_for() -> None:
    bench = make(OnFailure.STOP)
    bench.fake.failure = FULL
    with pytest.raises(JournalError, match="disk is full"):
        await bench.journal.open()
    with pytest.raises(JournalError, match="disk is full"):
        await bench.journal.recover(ACCOUNT)
    with pytest.raises(JournalError, match="disk is full"):
        await bench.journal.spent(ACCOUNT, 0)


async def test_reads_through(bench: Bench) -> None:
    await bench.record(f.sent(flight()), "taken")
    assert await bench.journal.recover(ACCOUNT) == Recovered([f.recovered(f.sent(flight()))], 1)
    mined = replace(flight(), receipt=f.receipt(flight().newest))
    await bench.record(mined, "mined")
    assert await bench.journal.spent(ACCOUNT, 0) == await bench.fake.spent(ACCOUNT, 0) > 0


async def test_writes_what_waits_before_it_closes(bench: Bench) -> None:
    bench.fake.failure = FULL
    await bench.record(flight(), "signed")
    bench.fake.failure = ""
    await bench.journal.close()
    assert bench.kinds() == ["signed"]


async def test_says_so_when_it_closes_with_records_that_it_could_not_write(bench: Bench) -> None:
    bench.fake.failure = FULL
    await bench.record(flight(), "signed")
    bench.fake.delay_s = 60
    await bench.journal.close()
    bench.fake.delay_s = 0
    assert bench.events[-1] == JournalFailed("what happened last could not be written (records: 1)")
    assert not bench.fake.is_open


async def test_prunes_every_hour_whatever_fails(bench: Bench) -> None:
    for push, at in ((1, EPOCH - 500), (2, EPOCH + 600), (3, EPOCH + 601)):
        ended = replace(flight(push), end=State.RELEASED)
        await bench.journal.record(ACCOUNT, ended, Note(at, "released"))
    pruning = asyncio.create_task(prune_hourly(bench.journal, retention_s=100, clock=LoopClock()))
    await asyncio.sleep(61)
    assert list(bench.fake.shelf.stories[ACCOUNT]) == [2, 3]
    bench.fake.failure = FULL
    await asyncio.sleep(3600)
    bench.fake.failure = ""
    await asyncio.sleep(3600)
    assert list(bench.fake.shelf.stories[ACCOUNT]) == [3]
    pruning.cancel()
