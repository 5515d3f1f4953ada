"""Why a request to Hermes failed, or its stream ended."""

import traceback
from collections.abc import Collection

from keeper.domain.errors import Transient
from keeper.domain.status import SourceState
from keeper.domain.units import FeedId

_SHOWN_FEEDS = 3


class SourceFailure(Transient):
    """Hermes gives no prices for now.

    The message is in our own words, never the server's, so that neither URL nor key can show in it.
    """

    def __init__(
        self,
        problem: str,
        *,
        state: SourceState = SourceState.DOWN,
        refused: bool = False,
        retry_after_s: float | None = None,
        feeds: frozenset[FeedId] = frozenset(),
    ) -> None:
        """`refused`: the same request will be refused again; `feeds`: those that the refusal names."""
        super().__init__(problem)
        self.state = state
        self.refused = refused
        self.retry_after_s = retry_after_s
        self.feeds = feeds


def unexpected(exc: BaseException) -> SourceFailure:
    """A fault of our own, as a failure that the source survives. Its text might hold a secret: only its place shows."""
    where = traceback.extract_tb(exc.__traceback__)[-1:]
    place = "".join(f" in {frame.name}, line {frame.lineno}" for frame in where)
    return SourceFailure(f"unexpected {type(exc).__name__}{place}; please report it")


def name_feeds(feeds: Collection[FeedId]) -> str:
    """The first few of them, and how many more there are."""
    more = len(feeds) - _SHOWN_FEEDS
    return f"feed {', '.join(sorted(feeds)[:_SHOWN_FEEDS])}" + (f" and {more} more" if more > 0 else "")
