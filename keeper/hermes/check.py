"""Whether Hermes serves every feed: asked on a route that wants the key, as the metadata route does not."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from keeper.domain.accumulator import Update
from keeper.domain.status import SourceState
from keeper.domain.units import FeedId
from keeper.hermes.config import HermesConfig
from keeper.hermes.failure import SourceFailure
from keeper.hermes.poll import fetch_latest

_MAX_REQUESTS = 8
"""Of the ten that the public service grants in ten seconds."""

_WORDS = {
    SourceState.UNKNOWN_FEEDS: "unknown to Hermes; check the feed id",
    SourceState.NOT_ENTITLED: "not covered by the API key",
}


@dataclass(frozen=True, slots=True)
class FeedAnswers:
    """What Hermes says of the feeds that it was asked for."""

    updates: tuple[Update, ...]
    """With a price of every feed that is not missing."""
    missing: Mapping[FeedId, str]
    """The feeds without a price, and in words why."""


async def check_feeds(config: HermesConfig, session: aiohttp.ClientSession) -> FeedAnswers:
    """Ask for the latest price of each feed.

    Feeds that a refusal names are left out of the next request, so that one bad feed does not hide the others. Raises
    SourceFailure or InvalidUpdate where Hermes has no prices at all for us.
    """
    updates: list[Update] = []
    missing = dict.fromkeys(config.feeds, "not checked: too many feeds are refused")
    size = config.feeds_per_connection
    groups = deque(config.feeds[at : at + size] for at in range(0, len(config.feeds), size))
    for _ in range(_MAX_REQUESTS):
        if not groups:
            break
        asked = groups.popleft()
        try:
            updates += await fetch_latest(session, config, asked)
        except SourceFailure as exc:
            if not exc.feeds:
                raise
            missing |= dict.fromkeys(exc.feeds, _WORDS[exc.state])
            if left := tuple(feed for feed in asked if feed not in exc.feeds):
                groups.append(left)
        else:
            missing |= dict.fromkeys(asked, "missing in the answer")
    served = {feed for update in updates for feed in update.prices}
    return FeedAnswers(tuple(updates), {feed: why for feed, why in missing.items() if feed not in served})
