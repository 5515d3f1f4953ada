"""Lets only news pass: nothing twice, nothing out of order."""

from collections.abc import Iterable

from keeper.domain.accumulator import Update
from keeper.domain.units import FeedId

_BEFORE_ALL = (-1, -1)
FUTURE_LIMIT_S = 60.0


class NewestGuard:
    """Remembers, feed by feed, the publish time and slot of the newest price that passed."""

    def __init__(self, feeds: Iterable[FeedId]) -> None:
        self._newest = dict.fromkeys(feeds, _BEFORE_ALL)

    def holds(self, update: Update) -> bool:
        """Whether the update has any of these feeds."""
        return not self._newest.keys().isdisjoint(update.prices)

    def advances(self, update: Update, *, now: float) -> bool:
        """Whether the update is newer, for at least one feed, than all that passed before.

        A publish time far ahead of `now` (Unix seconds) passes but is not remembered: it would block all that follow.
        """
        newest, slot, limit = self._newest, update.slot, now + FUTURE_LIMIT_S
        advanced = False
        for feed_id, price in update.prices.items():
            stamp = (price.publish_time, slot)
            if stamp > newest.get(feed_id, stamp):
                advanced = True
                if price.publish_time <= limit:
                    newest[feed_id] = stamp
        return advanced
