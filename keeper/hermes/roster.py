"""Which feeds to ask for, so that one feed that the server refuses does not cost all the others."""

from collections.abc import Collection, Iterable

from keeper.domain.units import FeedId


class Roster:
    """All the feeds of a subscription, but for those that were refused by name."""

    def __init__(self, feeds: Iterable[FeedId]) -> None:
        self.feeds = tuple(feeds)
        self.asked = self.feeds

    @property
    def refused(self) -> frozenset[FeedId]:
        """Feeds that are not asked for."""
        return frozenset(self.feeds).difference(self.asked)

    def exclude(self, feeds: Collection[FeedId]) -> bool:
        """Ask for these no more; False, and all are asked for again, where that would leave nothing to ask for."""
        left = tuple(feed for feed in self.asked if feed not in feeds)
        self.asked = left or self.feeds
        return bool(feeds) and bool(left)

    def restore(self) -> None:
        """Ask for all again."""
        self.asked = self.feeds
