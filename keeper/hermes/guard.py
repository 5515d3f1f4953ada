"""Lets only news pass: nothing twice, nothing out of order."""

from collections.abc import Iterable
from typing import TypeAlias

from keeper.domain.accumulator import Update
from keeper.domain.units import FeedId

Stamp: TypeAlias = tuple[int, int]
"""Publish time and slot."""
_BEFORE_ALL: Stamp = (-1, -1)
FUTURE_LIMIT_S = 60.0


class NewestGuard:
    """Remembers, feed by feed, the publish time and slot of the newest price that passed."""

    def __init__(self, feeds: Iterable[FeedId], newest: dict[FeedId, Stamp] | None = None) -> None:
        """`newest`: a memory that is shared with other guards: what passes one of them is no news to the others."""
        self._newest = {} if newest is None else newest
        self._feeds = frozenset(feeds)
        for feed_id in self._feeds:
            self._newest.setdefault(feed_id, _BEFORE_ALL)

    def holds(self, update: Update) -> bool:
        """Whether the update has any of these feeds."""
        return not self._feeds.isdisjoint(update.prices)

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
