"""What one push holds: decided by the planner, carried by every attempt, accounted for at the end."""

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.domain.accumulator import Update
from keeper.domain.gas import PushShape
from keeper.domain.policy import Reason
from keeper.domain.price import Price
from keeper.domain.units import FeedId, Gas, Wei


@dataclass(frozen=True, slots=True)
class Part:
    """Feeds that are sliced out of one update."""

    source: str
    update: Update
    feeds: tuple[FeedId, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """One push: the feeds with their reasons, and the update data that holds just these."""

    feeds: tuple[tuple[FeedId, Reason], ...]
    prices: Mapping[FeedId, Price]
    blobs: tuple[bytes, ...]
    shape: PushShape
    gas_limit: Gas
    value: Wei
    newest_arrival: float
    """Monotonic seconds at which the newest price in it arrived."""
    complete: bool
    """Whether all that is due fits; if not, the rest follows as a push of its own."""
    triggers: tuple[FeedId, ...] = ()
    """The contract is to do nothing unless one of these is older on chain than in here; empty: it does all it can."""
    parts: tuple[Part, ...] = ()
    """Where the feeds come from; the journal does not keep that."""

    @property
    def feed_ids(self) -> tuple[FeedId, ...]:
        """Just the feeds."""
        return tuple(feed_id for feed_id, _ in self.feeds)

    @property
    def conditions(self) -> Mapping[FeedId, int]:
        """The publish time of each trigger."""
        return {feed_id: self.prices[feed_id].publish_time for feed_id in self.triggers}

    @property
    def forced(self) -> frozenset[FeedId]:
        """Those that are in it because somebody wants them now."""
        return frozenset(feed_id for feed_id, reason in self.feeds if reason is Reason.FORCED)
