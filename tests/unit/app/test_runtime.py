"""The process keeps its networks going: one that crashes is started again, and the others never notice."""

import asyncio
from collections.abc import Sequence
from typing import Never

import pytest

from keeper.app.runtime import Keeper
from keeper.coordination.solo import Solo
from keeper.domain.errors import Fatal, UsageError
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


async def network(chain: FakeChain, *, falls: int, kind: type[Falling] = Falling) -> Falling:
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
    made = kind(config=CONFIG, outside=outside)
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


class Refused(Falling):
    """Is told that it must not run."""

    async def run(self) -> None:
        raise ExceptionGroup("of its tasks", [UsageError("another keeper has the account")])


async def ends_by_itself() -> Never:
    await asyncio.sleep(1.5)
    raise RuntimeError("a fault of our own")


async def test_something_that_must_never_end_ends_the_keeper_once_all_has_landed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chain, source, market = FakeChain(), Silence(), Market()
    keeper = Keeper(
        source=source,
        networks=[await network(chain, falls=0)],
        clock=LoopClock(),
        beside={"elections": ends_by_itself},
    )
    running = asyncio.create_task(keeper.run())
    await asyncio.sleep(1)
    source.deliver(market.event({"F1": 100_000}))
    with pytest.raises(Fatal, match="this has ended: elections"):
        await running
    assert len(chain.sent) == 1
    assert keeper.status().networks[0].in_flight == 0
    (told,) = [record for record in caplog.records if record.message == "task_ended"]
    assert told.levelname == "CRITICAL"
    assert told.exc_info is not None


async def test_a_task_that_is_cancelled_by_nobody_knows_who_ends_the_keeper_in_order_too() -> None:
    async def is_cancelled() -> Never:
        raise asyncio.CancelledError

    keeper = Keeper(
        source=Silence(),
        networks=[await network(FakeChain(), falls=0)],
        clock=LoopClock(),
        beside={"elections": is_cancelled},
    )
    with pytest.raises(Fatal, match="this has ended: elections"):
        await keeper.run()


async def test_a_network_that_is_refused_ends_the_keeper() -> None:
    refused = await network(FakeChain(), falls=0, kind=Refused)
    keeper = Keeper(source=Silence(), networks=[refused], clock=LoopClock())
    with pytest.raises(UsageError, match="another keeper has the account"):
        await keeper.run()
