"""The process keeps its networks going: one that crashes is started again, and the others never notice."""

import asyncio
from collections.abc import Sequence
from typing import Never

import pytest

from keeper.app.runtime import Keeper
from keeper.coordination.solo import Solo
from keeper.domain.status import SourceStatus
from keeper.domain.units import FeedId
from keeper.pipeline.network import Network
from keeper.ports import Deliver, Outside
from keeper.signing.raw_key import RawKeySigner
from tests.support.chain import FakeChain
from tests.support.clock import LoopClock
from tests.support.journal import FakeJournal
from tests.support.market import Market
from tests.support.orders import FakeOrders
from tests.unit.pipeline.conftest import CONFIG

pytestmark = pytest.mark.looptime


class Silence:
    """A source that brings nothing by itself."""

    async def run(self, deliver: Deliver) -> Never:
        self.deliver = deliver
        await asyncio.Event().wait()
        raise AssertionError

    def subscribe(self, feeds: Sequence[FeedId]) -> None:
        """Nothing."""

    def status(self) -> Sequence[SourceStatus]:
        return []


class Falling(Network):
    """Crashes whenever it is started, so many times."""

    falls = 0
    started: list[float]

    async def run(self) -> None:
        self.started.append(LoopClock().monotonic())
        if self.falls:
            self.falls -= 1
            raise RuntimeError("a fault of our own")
        await super().run()


async def network(chain: FakeChain, *, falls: int) -> Falling:
    journal = FakeJournal()
    await journal.open()
    outside = Outside(
        chain=chain,
        signer=RawKeySigner(bytes(31) + b"\x01"),
        journal=journal,
        clock=LoopClock(),
        emit=lambda _: None,
        heard_at=LoopClock().now,
        orders=FakeOrders(),
        mandate=Solo(),
    )
    made = Falling(config=CONFIG, outside=outside)
    made.falls, made.started = falls, []
    return made


async def test_a_network_that_crashes_is_started_again_after_growing_pauses_and_no_other_notices() -> None:
    chains, source, market = (FakeChain(), FakeChain()), Silence(), Market()
    falling, sound = await network(chains[0], falls=3), await network(chains[1], falls=0)
    keeper = Keeper(source=source, networks=[falling, sound], clock=LoopClock())
    running = asyncio.create_task(keeper.run())
    await asyncio.sleep(1)
    source.deliver(market.event({"F1": 100_000}))
    await asyncio.sleep(2)
    assert (len(chains[0].sent), len(chains[1].sent)) == (0, 1)
    told = falling.status()
    assert not told.ready
    assert "crashed by a RuntimeError" in told.detail

    await asyncio.sleep(40)
    pauses = [later - earlier for earlier, later in zip(falling.started, falling.started[1:], strict=False)]
    assert pauses == pytest.approx([5, 10, 20], abs=0.1)
    assert falling.status().ready
    source.deliver(market.event({"F1": 200_000}))
    await asyncio.sleep(2)
    assert (len(chains[0].sent), len(chains[1].sent)) == (2, 2)
    keeper.stop()
    await running
