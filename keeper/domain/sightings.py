"""Who stored which price on chain, as far as it was seen."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.units import FeedId

_REMEMBERED = 20


class Origin(StrEnum):
    """Whose transaction stored a price."""

    SELF = "self"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class StateUpdate:
    """A price that was seen to be new on chain."""

    feed_id: FeedId
    publish_time: int
    block: int
    origin: Origin
    at: float
    """Unix seconds at which it was seen."""


class Sightings:
    """Counts, and the last ones; all times are Unix seconds."""

    def __init__(self) -> None:
        self.counts: Counter[Origin] = Counter()
        self.by_feed: Counter[tuple[FeedId, Origin]] = Counter()
        self.heads = 0
        self.events = 0
        """Transactions that stored prices, told by subscription."""
        self.taken_back = 0
        """Of what was on chain, told or read: what a reorganisation undid."""
        self._recent: deque[StateUpdate] = deque(maxlen=_REMEMBERED)
        self._rival_at: float | None = None

    @property
    def recent(self) -> Sequence[StateUpdate]:
        """The last ones, the newest first."""
        return tuple(reversed(self._recent))

    def add(self, update: StateUpdate) -> None:
        """Another one."""
        self.counts[update.origin] += 1
        self.by_feed[update.feed_id, update.origin] += 1
        self._recent.append(update)
        if update.origin is Origin.OTHER:
            self._rival_at = update.at

    @property
    def surprises(self) -> int:
        """What others did, and what was taken back, so far."""
        return self.counts[Origin.OTHER] + self.taken_back

    def rival_since(self, at: float) -> bool:
        """Whether somebody else stored a price since then."""
        return self._rival_at is not None and self._rival_at >= at
