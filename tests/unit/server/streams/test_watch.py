"""What changes is told, once, and feeds are looked at only while somebody wants to know."""

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from keeper.domain.events.seen import (
    BalanceSeen,
    EndpointSeen,
    HealthSeen,
    OnChainSeen,
    PriceSeen,
    SeenEvent,
    VerdictSeen,
)
from keeper.domain.policy import HELD, Reason
from keeper.domain.price import Price
from keeper.domain.sightings import Origin, Sightings, StateUpdate
from keeper.domain.status import EndpointState, EndpointStatus, FeedStatus, Following
from keeper.domain.units import Wei
from keeper.server.streams.watch import HEALTH_EVERY_S, Watch
from tests.support.clock import LoopClock
from tests.support.status import BTC, NEW_FEED, NOW, Watched, with_network

SOURCE = cast("Price", BTC.source)
ON_CHAIN = cast("Price", BTC.on_chain)

pytestmark = pytest.mark.looptime


class Looking:
    """A watch, what it told, and what it looks at."""

    def __init__(self) -> None:
        self.keeper = Watched()
        self.listening = True
        self._told: list[SeenEvent] = []
        self.watch = Watch(self.keeper, self._told.append, looks_at_feeds=lambda: self.listening, clock=LoopClock())

    def told(self) -> list[SeenEvent]:
        told, self._told[:] = [*self._told], []
        return told

    async def at_feeds(self, *feeds: FeedStatus) -> list[SeenEvent]:
        self.keeper.current = with_network(feeds=feeds)
        await self.watch.look_at_feeds()
        return self.told()

    def at_parts(self) -> list[SeenEvent]:
        self.watch.look_at_parts()
        return self.told()


async def test_whoever_listens_first_is_told_every_feed_as_it_is() -> None:
    it = Looking()
    assert await it.at_feeds(BTC, NEW_FEED) == [
        PriceSeen("devnet", BTC.feed_id, "BTC/USD", SOURCE, None),
        VerdictSeen("devnet", BTC.feed_id, "BTC/USD", BTC.judgement, 999),
        OnChainSeen("devnet", BTC.feed_id, "BTC/USD", ON_CHAIN, None),
        VerdictSeen("devnet", NEW_FEED.feed_id, "NEW/USD", NEW_FEED.judgement, None),
    ]
    assert await it.at_feeds(BTC, NEW_FEED) == []


async def test_tells_each_change_once() -> None:
    it = Looking()
    await it.at_feeds(BTC)
    newer = SOURCE._replace(publish_time=SOURCE.publish_time + 1)
    moved = replace(BTC, source=newer, brought_by="hermes")
    assert await it.at_feeds(moved) == [PriceSeen("devnet", BTC.feed_id, "BTC/USD", newer, "hermes")]
    calm = replace(moved, judgement=HELD[Reason.WITHIN_THRESHOLDS])
    assert await it.at_feeds(calm) == [VerdictSeen("devnet", BTC.feed_id, "BTC/USD", calm.judgement, 999)]
    stored = replace(calm, on_chain=newer)
    assert await it.at_feeds(stored) == [OnChainSeen("devnet", BTC.feed_id, "BTC/USD", newer, None)]


async def test_tells_whose_price_is_on_chain_where_that_was_seen() -> None:
    it = Looking()
    sightings = Sightings()
    sightings.add(StateUpdate(BTC.feed_id, ON_CHAIN.publish_time, 7, Origin.OTHER, NOW))
    it.keeper.current = with_network(feeds=(BTC,), following=Following(sightings=sightings))
    await it.watch.look_at_feeds()
    assert OnChainSeen("devnet", BTC.feed_id, "BTC/USD", ON_CHAIN, Origin.OTHER) in it.told()


async def test_looks_at_no_feed_while_nobody_listens() -> None:
    it = Looking()
    it.listening = False
    assert await it.at_feeds(BTC) == []
    it.listening = True
    assert len(await it.at_feeds(BTC)) == 3


async def test_tells_states_of_endpoints_and_balances_when_they_change() -> None:
    it = Looking()
    it.at_parts()
    assert it.at_parts() == []
    ill = EndpointStatus("rpc-1", EndpointState.LAGGING, "behind")
    it.keeper.current = with_network(endpoints=(ill,), balance=Wei(5))
    told = it.at_parts()
    assert told[:2] == [EndpointSeen("devnet", ill), BalanceSeen("devnet", Wei(5), 86_580)]
    assert [type(event) for event in told[2:]] == [HealthSeen]


async def test_tells_health_when_it_changes_and_once_a_minute() -> None:
    it = Looking()
    it.at_parts()
    it.keeper.current = with_network(consecutive_failures=5, detail="reverted")
    (told,) = [event for event in it.at_parts() if isinstance(event, HealthSeen)]
    assert (told.status, [name for name, _ in told.problems]) == ("unhealthy", ["network:devnet"])
    await asyncio.sleep(HEALTH_EVERY_S - 0.5)
    assert it.at_parts() == []
    await asyncio.sleep(1)
    assert [type(event) for event in it.at_parts()] == [HealthSeen]
