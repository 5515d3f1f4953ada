"""Others who push to the same contract: how often, and whether our pushes should look before they write."""

from collections import Counter
from collections.abc import Callable
from enum import StrEnum

from keeper.domain.units import FeedId

_REMEMBERED_S = 3_600.0


class IfNecessary(StrEnum):
    """When a push asks the contract to do nothing if somebody was faster: it costs little more, and saves half."""

    AUTO = "auto"
    """While somebody else has pushed within the last hour."""
    ALWAYS = "always"
    NEVER = "never"


class Rivals:
    """Counts what others wrote; times are monotonic seconds."""

    def __init__(self, rule: IfNecessary) -> None:
        self._rule = rule
        self.shadow: Callable[[FeedId, float], None] | None = None
        """Who else is told of each write."""
        self._last: float | None = None
        self.writes: Counter[FeedId] = Counter()
        """By feed, since the start."""

    def wrote(self, feed_id: FeedId, now: float) -> None:
        """Somebody else stored a price that was news."""
        self.writes[feed_id] += 1
        self._last = now
        if self.shadow is not None:
            self.shadow(feed_id, now)

    def are_about(self, now: float) -> bool:
        """Whether one wrote lately."""
        return self._last is not None and now - self._last <= _REMEMBERED_S

    def call_for_conditions(self, now: float) -> bool:
        """Whether pushes are to be conditional."""
        match self._rule:
            case IfNecessary.AUTO:
                return self.are_about(now)
            case IfNecessary.ALWAYS:
                return True
            case IfNecessary.NEVER:
                return False
