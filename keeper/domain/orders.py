"""What operators ask of a running keeper."""

from dataclasses import dataclass

from keeper.domain.units import FeedId


@dataclass(frozen=True, slots=True)
class Addressee:
    """The keeper that an order is for, by what it sends with: known before any chain is."""

    network: str
    address: str
    """Of the account, checksummed."""


@dataclass(frozen=True, slots=True)
class PushRequest:
    """Feeds that are to be pushed now, whatever their thresholds say."""

    feeds: frozenset[FeedId] | None
    """None for all."""
    by: str
    """Who asks."""

    def joined(self, other: "PushRequest") -> "PushRequest":
        """Both as one."""
        feeds = None if self.feeds is None or other.feeds is None else self.feeds | other.feeds
        by = self.by if other.by in self.by.split(", ") else f"{self.by}, {other.by}"
        return PushRequest(feeds, by)


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing new is pushed until somebody resumes; it outlives the process."""

    by: str
    """Who asked for it."""
    since: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What an addressee is to heed."""

    pause: Pause | None = None
    waiting: bool = False
    """Whether a request is to be taken."""
