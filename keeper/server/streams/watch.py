"""Looks at the keeper now and then, and tells what is another thing than before: no step of the flow waits for that."""

import asyncio
from collections.abc import Callable
from typing import Never

from keeper.domain.events.seen import (
    BalanceSeen,
    ConfigSeen,
    EndpointSeen,
    HealthSeen,
    OnChainSeen,
    PriceSeen,
    SeenEvent,
    VerdictSeen,
)
from keeper.domain.sightings import Origin
from keeper.domain.status import FeedStatus, KeeperStatus, NetworkStatus
from keeper.domain.units import FeedId
from keeper.ports import Clock, Observed
from keeper.server.health import Level, health

FEEDS_EVERY_S = 0.25
"""While somebody listens; of several prices in between the newest is told, as the flow itself goes by the newest."""
PARTS_EVERY_S = 1.0
HEALTH_EVERY_S = 60.0
_AT_ONCE = 10
"""Feeds are looked at in groups of so many: the event loop turns between them."""


class Watch:
    """Remembers what was seen last."""

    def __init__(
        self, observed: Observed, tell: Callable[[SeenEvent], None], *, looks_at_feeds: Callable[[], bool], clock: Clock
    ) -> None:
        """`looks_at_feeds`: whether anybody wants to know of prices and verdicts."""
        self._observed = observed
        self._tell = tell
        self._looks_at_feeds = looks_at_feeds
        self._clock = clock
        self._feeds: dict[tuple[str, FeedId], FeedStatus] = {}
        self._parts: dict[tuple[str, ...], object] = {}
        self._health_told_at: float | None = None

    async def run(self) -> Never:
        """Look for ever."""
        parts_at = 0.0
        while True:
            now = self._clock.monotonic()
            if now >= parts_at:
                parts_at = now + PARTS_EVERY_S
                self.look_at_parts()
            await self.look_at_feeds()
            await asyncio.sleep(FEEDS_EVERY_S)

    def look_at_parts(self) -> None:
        """Endpoints, balances, settings and health."""
        status = self._observed.status()
        for network in status.networks:
            for endpoint in network.endpoints:
                if self._is_new(("rpc", network.name, endpoint.name), endpoint.state):
                    self._tell(EndpointSeen(network.name, endpoint))
            if network.balance is not None and self._is_new(("balance", network.name), network.balance):
                self._tell(BalanceSeen(network.name, network.balance, network.spending.runway_s))
        if self._is_new(("config",), status.config):
            self._tell(ConfigSeen(status.config))
        self._look_at_health(status)

    def _look_at_health(self, status: KeeperStatus) -> None:
        overall, now = health(status), self._clock.monotonic()
        ill = {name: part.status for name, part in overall.components.items() if part.status is not Level.HEALTHY}
        is_new = self._is_new(("health",), (overall.status, ill))
        if is_new or self._health_told_at is None or now - self._health_told_at >= HEALTH_EVERY_S:
            self._health_told_at = now
            problems = tuple((name, overall.components[name].why) for name in ill)
            self._tell(HealthSeen(overall.status.value, problems))

    async def look_at_feeds(self) -> None:
        """All of them, while somebody wants to know; the first time each is told as it is."""
        if not self._looks_at_feeds():
            self._feeds.clear()
            return
        for network in self._observed.status().networks:
            for number, feed in enumerate(network.feeds):
                self._look_at(feed, network)
                if number % _AT_ONCE == _AT_ONCE - 1:
                    await asyncio.sleep(0)

    def _look_at(self, feed: FeedStatus, network: NetworkStatus) -> None:
        name, feed_id, alias = network.name, feed.feed_id, feed.alias
        before = self._feeds.get((name, feed_id))
        self._feeds[name, feed_id] = feed
        if feed.source is not None and (before is None or before.source != feed.source):
            self._tell(PriceSeen(name, feed_id, alias, feed.source, feed.brought_by))
        if before is None or before.judgement != feed.judgement:
            self._tell(VerdictSeen(name, feed_id, alias, feed.judgement, feed.deviation_ppm))
        if feed.on_chain is not None and (before is None or before.on_chain != feed.on_chain):
            self._tell(OnChainSeen(name, feed_id, alias, feed.on_chain, _origin(feed, network)))

    def _is_new(self, what: tuple[str, ...], value: object) -> bool:
        is_new = self._parts.get(what) != value
        self._parts[what] = value
        return is_new


def _origin(feed: FeedStatus, network: NetworkStatus) -> Origin | None:
    """Who stored its price on chain, where that was seen not long ago."""
    stored = feed.on_chain
    sighted = (
        update.origin
        for update in network.following.sightings.recent
        if stored is not None and update.feed_id == feed.feed_id and update.publish_time == stored.publish_time
    )
    return next(sighted, None)
