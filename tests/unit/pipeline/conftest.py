"""A network on a fake chain, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest

from keeper.coordination.solo import Solo
from keeper.domain.budget import Budget
from keeper.domain.events import Event, PushFinished, PushPlanned
from keeper.domain.fees import FeePolicy
from keeper.domain.policy import Deviation, Early, FeedPolicy, Staleness
from keeper.domain.transaction import Outcome, Rules
from keeper.domain.units import FeedId, Ppm
from keeper.pipeline.config import NetworkConfig, SubmitConfig
from keeper.pipeline.debounce import DebounceMode
from keeper.pipeline.governor import SpendRules
from keeper.pipeline.network import Network
from keeper.ports import Mandate, Outside
from keeper.signing.raw_key import RawKeySigner
from tests.support.chain import FakeChain
from tests.support.clock import LoopClock
from tests.support.journal import FakeJournal
from tests.support.market import FEEDS, Market
from tests.support.orders import FakeOrders

AnyEvent = TypeVar("AnyEvent", bound=Event)

POLICY = FeedPolicy(
    rules=(Deviation(Ppm(1000)), Staleness(60)),
    early=Early.NEVER,
    max_source_age_s=60,
)
SUBMIT = SubmitConfig(
    network="test",
    contract=bytes(range(20)),
    rules=Rules(retries=3, replace_after_blocks=2, resend_doubtful_s=1.0, resend_held_s=15.0, confirmations=2),
    retry_delay_s=5.0,
    fees=FeePolicy(),
)
CONFIG = NetworkConfig(
    submit=SUBMIT,
    spend=SpendRules(budget=Budget(), fees=FeePolicy(), heartbeat_s=300),
    aliases={feed_id: f"F{number}" for number, feed_id in enumerate(FEEDS[:2], start=1)},
    policies=dict.fromkeys(FEEDS[:2], POLICY),
    debounce_s=1.0,
    debounce_mode=DebounceMode.LEADING,
    force_interval_s=10_000.0,
    poll_interval_s=10_000.0,
    polls_only=False,
    max_in_flight=1,
    dry_run=False,
)


@dataclass
class Source:
    """Whether it is heard, news or none."""

    heard: bool = True

    def heard_at(self) -> float | None:
        return LoopClock().now() if self.heard else None


@dataclass
class Bench:
    """The network under test with everything around it."""

    network: Network
    chain: FakeChain
    market: Market
    events: list[Event] = field(default_factory=list)
    source: Source = field(default_factory=Source)
    orders: FakeOrders = field(default_factory=FakeOrders)

    def publish(self, **prices: int) -> None:
        self.network.take(self.market.event(prices))

    def told(self, kind: type[AnyEvent]) -> list[AnyEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    def outcomes(self) -> list[Outcome]:
        return [finished.outcome for finished in self.told(PushFinished)]

    def pushed(self) -> list[tuple[FeedId, ...]]:
        return [tuple(feed_id for feed_id, _ in planned.feeds) for planned in self.told(PushPlanned)]


Start = Callable[..., AbstractAsyncContextManager[Bench]]


@pytest.fixture
def start() -> Start:
    """Run a network until the block ends; keywords change its config, `chain` its chain."""

    @asynccontextmanager
    async def running(
        *,
        chain: FakeChain | None = None,
        journal: FakeJournal | None = None,
        orders: FakeOrders | None = None,
        mandate: Mandate | None = None,
        **changes: Any,
    ) -> AsyncIterator[Bench]:
        fake = chain or FakeChain()
        events: list[Event] = []
        source = Source()
        shelf = journal or FakeJournal()
        orders = orders or FakeOrders()
        await shelf.open()
        network = Network(
            config=replace(CONFIG, **changes),
            outside=Outside(
                chain=fake,
                signer=RawKeySigner(bytes(31) + b"\x01"),
                journal=shelf,
                clock=LoopClock(),
                emit=events.append,
                heard_at=source.heard_at,
                orders=orders,
                mandate=mandate or Solo(),
            ),
        )
        task = asyncio.create_task(network.run())
        try:
            yield Bench(network, fake, Market(), events, source, orders)
        finally:
            network.stop()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    return running
