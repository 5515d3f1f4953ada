"""The newest price of every feed, latest wins."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from keeper.domain.accumulator import Update
from keeper.domain.policy import FUTURE_TOLERANCE_S
from keeper.domain.price import Price
from keeper.domain.units import FeedId
from keeper.ports import PriceEvent


class Sourced(NamedTuple):
    """A price, the signed update that proves it, and when it arrived (monotonic seconds)."""

    price: Price
    update: Update
    arrived: float


class _Arrival(NamedTuple):
    update: Update
    arrived: float


class Buffer:
    """Keeps the newest price of each wanted feed; of one second the one with the highest slot."""

    def __init__(self, feeds: Collection[FeedId]) -> None:
        self._feeds = frozenset(feeds)
        self._prices: dict[FeedId, Price] = {}
        self._arrivals: dict[FeedId, _Arrival] = {}

    def want(self, feeds: Collection[FeedId]) -> None:
        """Keep these from now on."""
        self._feeds = frozenset(feeds)

    def take(self, event: PriceEvent, now: float) -> None:
        """Merge one event that came at `now`, Unix seconds: prices that are not newer than what is here are dropped.

        One from the future gives way to any other: it would keep out all that come in their time.
        """
        horizon = now + FUTURE_TOLERANCE_S
        for update in event.updates:
            arrival = _Arrival(update, event.arrived)
            for feed_id, price in update.prices.items():
                if feed_id in self._feeds and self._is_newer(feed_id, price, update.slot, horizon):
                    self._prices[feed_id] = price
                    self._arrivals[feed_id] = arrival

    def get(self, feed_id: FeedId) -> Sourced:
        """The newest price of the feed and its update; KeyError before the first."""
        return Sourced(self._prices[feed_id], *self._arrivals[feed_id])

    def price(self, feed_id: FeedId) -> Price | None:
        """The newest price of the feed, or None before the first."""
        return self._prices.get(feed_id)

    def any(self) -> tuple[FeedId, Update] | None:
        """Some feed with an update that holds it; None before the first price."""
        return next(((feed_id, arrival.update) for feed_id, arrival in self._arrivals.items()), None)

    def _is_newer(self, feed_id: FeedId, price: Price, slot: int, horizon: float) -> bool:
        known = self._prices.get(feed_id)
        if known is None or known.publish_time > horizon:
            return True
        if price.publish_time != known.publish_time:
            return known.publish_time < price.publish_time <= horizon
        return slot > self._arrivals[feed_id].update.slot


def group_by_update(sourced: Iterable[tuple[FeedId, Sourced]]) -> list[tuple[Update, list[FeedId]]]:
    """Which feeds to slice out of which update, in the order of first use."""
    groups: dict[int, tuple[Update, list[FeedId]]] = {}
    for feed_id, (_, update, _) in sourced:
        groups.setdefault(id(update), (update, []))[1].append(feed_id)
    return list(groups.values())
