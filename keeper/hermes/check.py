"""Whether Hermes serves every feed: asked on a route that wants the key, as the metadata route does not."""

from collections import deque

import aiohttp

from keeper.domain.errors import InvalidUpdate
from keeper.domain.price import Price
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


async def check_feeds(config: HermesConfig, session: aiohttp.ClientSession) -> dict[FeedId, Price | str]:
    """The latest price of each feed, or in words why there is none; no failure of Hermes is raised.

    Feeds that a refusal names are left out of the next request, so that one bad feed does not hide the others.
    """
    verdicts: dict[FeedId, Price | str] = dict.fromkeys(config.feeds, "not checked: too many feeds are refused")
    size = config.feeds_per_connection
    groups = deque(config.feeds[at : at + size] for at in range(0, len(config.feeds), size))
    for _ in range(_MAX_REQUESTS):
        if not groups:
            break
        asked = groups.popleft()
        answers = await _ask(config, session, asked)
        verdicts |= answers
        if left := tuple(feed for feed in asked if feed not in answers):
            groups.append(left)
    return verdicts


async def _ask(
    config: HermesConfig, session: aiohttp.ClientSession, feeds: tuple[FeedId, ...]
) -> dict[FeedId, Price | str]:
    """A verdict on each of the feeds, or just on those that a refusal names."""
    try:
        updates = await fetch_latest(session, config, feeds)
    except SourceFailure as exc:
        if exc.feeds:
            return dict.fromkeys(exc.feeds, _WORDS[exc.state])
        return dict.fromkeys(feeds, str(exc))
    except InvalidUpdate as exc:
        return dict.fromkeys(feeds, str(exc))
    prices = {feed: price for update in updates for feed, price in update.prices.items()}
    return {feed: prices.get(feed, "missing in the answer") for feed in feeds}
