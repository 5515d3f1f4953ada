"""The newest price of every feed, latest wins."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from keeper.domain.accumulator import Update
from keeper.domain.price import Price
from keeper.domain.units import FeedId
from keeper.ports import PriceEvent


class Sourced(NamedTuple):
    """A price, the signed update that proves it, and when it arrived (monotonic seconds)."""

    price: Price
    update: Update
    arrived: float


class Buffer:
    """Keeps the newest price of each wanted feed; of one second the one with the highest slot."""

    def __init__(self, feeds: Collection[FeedId]) -> None:
        self._feeds = frozenset(feeds)
        self._newest: dict[FeedId, Sourced] = {}

    def take(self, event: PriceEvent) -> None:
        """Merge one event: prices that are not newer than what is here are dropped."""
        for update in event.updates:
            for feed_id, price in update.prices.items():
                if feed_id in self._feeds and self._is_newer(feed_id, price, update.slot):
                    self._newest[feed_id] = Sourced(price, update, event.arrived)

    def get(self, feed_id: FeedId) -> Sourced | None:
        """The newest price of the feed, or None before the first."""
        return self._newest.get(feed_id)

    def price(self, feed_id: FeedId) -> Price | None:
        """Only the price."""
        sourced = self._newest.get(feed_id)
        return None if sourced is None else sourced.price

    def any(self) -> tuple[FeedId, Update] | None:
        """Some feed with an update that holds it; None before the first price."""
        return next(((feed_id, sourced.update) for feed_id, sourced in self._newest.items()), None)

    def _is_newer(self, feed_id: FeedId, price: Price, slot: int) -> bool:
        known = self._newest.get(feed_id)
        if known is None:
            return True
        return (price.publish_time, slot) > (known.price.publish_time, known.update.slot)


def group_by_update(sourced: Iterable[tuple[FeedId, Sourced]]) -> list[tuple[Update, list[FeedId]]]:
    """Which feeds to slice out of which update, in the order of first use."""
    groups: dict[int, tuple[Update, list[FeedId]]] = {}
    for feed_id, (_, update, _) in sourced:
        groups.setdefault(id(update), (update, []))[1].append(feed_id)
    return list(groups.values())
