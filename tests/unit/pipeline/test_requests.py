"""What an operator asks for is pushed, and nothing else."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

import pytest

from keeper.domain.errors import JournalError
from keeper.domain.events import ForceRequested
from keeper.domain.units import FeedId
from keeper.pipeline.requests import heed_requests
from keeper.ports import Account
from tests.support.clock import LoopClock
from tests.support.market import FEEDS
from tests.unit.pipeline.conftest import Bench, Start

pytestmark = pytest.mark.looptime

F1, F2 = FEEDS[:2]


@dataclass
class FakeRequests:
    """One request at a time; fails as long as it is told to."""

    waiting: set[FeedId] = field(default_factory=set)
    failures: int = 0
    accounts: set[Account] = field(default_factory=set)

    async def take(self, account: Account, now: float) -> Collection[FeedId]:
        self.accounts.add(account)
        assert now == LoopClock().now()
        if self.failures:
            self.failures -= 1
            raise JournalError("the server restarts")
        taken, self.waiting = self.waiting, set()
        return taken


async def heed(bench: Bench, requests: FakeRequests, seconds: float) -> None:
    """Let the network heed them for a while, with both feeds on chain and a newer price for each."""
    bench.publish(F1=100_000, F2=100_000)
    await asyncio.sleep(2)
    bench.events.clear()
    bench.publish(F1=100_001, F2=100_001)
    heeding = asyncio.create_task(heed_requests(requests, [bench.network], LoopClock()))
    await asyncio.sleep(seconds)
    heeding.cancel()


async def test_pushes_the_feeds_that_were_asked_for_within_a_second(start: Start) -> None:
    async with start() as bench:
        requests = FakeRequests({F2})
        await heed(bench, requests, 1.1)
        assert bench.pushed() == [(F2,)]
        assert bench.told(ForceRequested) == [ForceRequested("test", "control", 1)]
        assert requests.accounts == {bench.network.account}


async def test_a_journal_that_fails_is_asked_again(start: Start) -> None:
    async with start() as bench:
        await heed(bench, FakeRequests({F1}, failures=2), 3.1)
        assert bench.pushed() == [(F1,)]


async def test_feeds_that_it_does_not_keep_are_not_pushed(start: Start) -> None:
    async with start() as bench:
        await heed(bench, FakeRequests({FeedId("a" * 64)}), 5)
        assert bench.pushed() == []


async def test_without_a_request_nothing_is_forced(start: Start) -> None:
    async with start() as bench:
        await heed(bench, FakeRequests(), 5)
        assert bench.told(ForceRequested) == []
