"""The newest price of every feed, latest wins."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from keeper.domain.accumulator import Update
from keeper.domain.plan import Part
from keeper.domain.policy import FUTURE_TOLERANCE_S
from keeper.domain.price import Price
from keeper.domain.units import FeedId
from keeper.pipeline.trust import Sender, Trust
from keeper.ports import PriceEvent

_TWINS_KEPT = 32
"""Updates that may come once more from another source, byte for byte."""


class Sourced(NamedTuple):
    """A price, the signed update that proves it, when it arrived (monotonic seconds), and from whom."""

    price: Price
    update: Update
    arrived: float
    source: str


class _Arrival(NamedTuple):
    update: Update
    arrived: float
    source: str


class Buffer:
    """Keeps the newest price of each wanted feed; of one second the one with the highest slot.

    Only prices of sources that the network trusts count; what the others sent last is kept for when that changes.
    """

    def __init__(self, feeds: Collection[FeedId], trust: Trust) -> None:
        self._feeds = frozenset(feeds)
        self._trust = trust
        self._prices: dict[FeedId, Price] = {}
        self._arrivals: dict[FeedId, _Arrival] = {}
        self._latest: dict[str, dict[FeedId, _Arrival]] = {}
        """What each source sent last, by the first feed in it: groups of feeds come apart from one another."""
        self.last_arrival: float | None = None
        """When any price was last taken (monotonic seconds)."""
        self._merged: deque[Update] = deque(maxlen=_TWINS_KEPT)

    def want(self, feeds: Collection[FeedId]) -> None:
        """Keep these from now on."""
        self._feeds = frozenset(feeds)

    def take(self, event: PriceEvent, now: float) -> bool:
        """Merge one event that came at `now`, Unix seconds; whether it brought anything.

        Prices that are not newer than what is here are dropped. One from the future gives way to any other: it would
        keep out all that come in their time.
        """
        merged = [self._take(_Arrival(update, event.arrived, event.source), now) for update in event.updates]
        return any(merged)

    def renew(self, now: float) -> None:
        """Begin anew with what those sent last that are trusted now."""
        self._prices.clear()
        self._arrivals.clear()
        self._merged.clear()
        for arrivals in self._latest.values():
            for arrival in arrivals.values():
                if self._trust.admits(Sender(arrival.source, arrival.update.envelope)):
                    self._merge(arrival, now)

    def get(self, feed_id: FeedId) -> Sourced:
        """The newest price of the feed and its update; KeyError before the first."""
        return Sourced(self._prices[feed_id], *self._arrivals[feed_id])

    def price(self, feed_id: FeedId) -> Price | None:
        """The newest price of the feed, or None before the first."""
        return self._prices.get(feed_id)

    @property
    def prices(self) -> Mapping[FeedId, Price]:
        """The newest price of every feed that has one; to be read and not to be kept."""
        return self._prices

    def arrived(self, feed_id: FeedId) -> float | None:
        """When the feed was last in an update (monotonic seconds), moved or not; None before the first."""
        arrival = self._arrivals.get(feed_id)
        return None if arrival is None else arrival.arrived

    def any(self) -> tuple[FeedId, Update] | None:
        """Some feed with an update that holds it; None before the first price."""
        return next(((feed_id, arrival.update) for feed_id, arrival in self._arrivals.items()), None)

    def sample(self, source: str) -> tuple[FeedId, Update] | None:
        """Some wanted feed with the newest update of that source that holds it."""
        arrivals = self._latest.get(source, {}).values()
        newest_first = sorted((arrival.update for arrival in arrivals), key=lambda update: -update.slot)
        held = ((feed_id, update) for update in newest_first for feed_id in update.prices if feed_id in self._feeds)
        return next(held, None)

    def senders(self, update: Update) -> set[str]:
        """Who sent these very bytes."""
        return {
            source
            for source, arrivals in self._latest.items()
            if any(arrival.update is update for arrival in arrivals.values())
        }

    def _take(self, arrival: _Arrival, now: float) -> bool:
        update = arrival.update
        origin = self._trust.saw(arrival.source, update)
        if update.prices:
            self._latest.setdefault(arrival.source, {})[next(iter(update.prices))] = arrival
        if not self._trust.admits(origin) or any(update is twin for twin in self._merged):
            return False
        return self._merge(arrival, now)

    def _merge(self, arrival: _Arrival, now: float) -> bool:
        update, horizon, merged = arrival.update, now + FUTURE_TOLERANCE_S, False
        self._merged.append(update)
        self.last_arrival = max(arrival.arrived, self.last_arrival or arrival.arrived)
        feeds, prices, arrivals = self._feeds, self._prices, self._arrivals
        for feed_id, price in update.prices.items():
            if feed_id not in feeds:
                continue
            known = prices.get(feed_id)
            if (
                known is None
                or known.publish_time < price.publish_time <= horizon
                or known.publish_time > horizon
                or (price.publish_time == known.publish_time and update.slot > arrivals[feed_id].update.slot)
            ):
                prices[feed_id] = price
                arrivals[feed_id] = arrival
                merged = True
        return merged


def group_by_update(sourced: Iterable[tuple[FeedId, Sourced]]) -> list[Part]:
    """Which feeds to slice out of which update, in the order of first use."""
    groups: dict[int, tuple[Sourced, list[FeedId]]] = {}
    for feed_id, one in sourced:
        groups.setdefault(id(one.update), (one, []))[1].append(feed_id)
    return [Part(one.source, one.update, tuple(feeds)) for one, feeds in groups.values()]
