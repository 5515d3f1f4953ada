"""Feeds that are wanted on chain now, whatever their thresholds say."""

from collections.abc import Collection

from keeper.domain.plan import Plan
from keeper.domain.units import FeedId

_PATIENCE_S = 2.0
"""How long a forced update waits for a price newer than the one on chain."""


class Forcing:
    """Until a plan carries them, or nothing newer comes; all times in monotonic seconds."""

    def __init__(self) -> None:
        self.feeds: frozenset[FeedId] = frozenset()
        self.origin = ""
        """Who asked last."""
        self._until = 0.0

    def add(self, feeds: Collection[FeedId], origin: str, now: float) -> None:
        """These as well, from now on."""
        self.feeds |= frozenset(feeds)
        self.origin = origin
        self._until = now + _PATIENCE_S

    def forget(self) -> None:
        """None of them any more."""
        self.feeds = frozenset()

    def planned(self, plan: Plan) -> None:
        """What the plan carries is forced no more; nor is what is left where it carries all that is to be had."""
        self.feeds = frozenset() if plan.complete else self.feeds - plan.prices.keys()

    def gives_up(self, now: float) -> bool:
        """Nothing is due although feeds are forced: true once, when that was so for long enough."""
        if not self.feeds or now < self._until:
            return False
        self.feeds = frozenset()
        return True
