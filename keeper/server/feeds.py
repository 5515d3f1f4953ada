"""GET /v1/feeds/{network}/{feed}: why one feed is due or not."""

import asyncio
from collections.abc import Sequence
from difflib import get_close_matches

from aiohttp import web

from keeper.domain.status import FeedStatus, NetworkStatus
from keeper.ports import Observed
from keeper.server.errors import json_response
from keeper.server.explained import explained_view
from keeper.server.pacing import paced

_NEAR = 5
_ALIKE = 0.5


class FeedRoutes:
    """They only ever read."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed

    def routes(self) -> list[web.RouteDef]:
        """An alias may hold slashes: the feed is all that comes after the network."""
        return [web.get("/v1/feeds/{network}/{feed:.+}", self._feed)]

    async def _feed(self, request: web.Request) -> web.Response:
        status = self._observed.status()
        network = next((each for each in status.networks if each.name == request.match_info["network"]), None)
        if network is None:
            known = ", ".join(each.name for each in status.networks)
            return json_response(
                {"error": f"there is no network of that name: those that are kept are {known}"}, status=404
            )
        name = request.match_info["feed"]
        feeds = await paced(network.feeds)
        feed = _named(name, feeds)
        if feed is None:
            return await _unknown(name, feeds, network)
        return json_response(explained_view(network, feed, self._observed.status().now))


def _named(name: str, feeds: Sequence[FeedStatus]) -> FeedStatus | None:
    """By alias, by id with or without 0x, or by an alias in other letter case."""
    digits = name.lower().removeprefix("0x")
    exact = (feed for feed in feeds if feed.alias == name)
    by_id = (feed for feed in feeds if feed.feed_id == digits)
    folded = (feed for feed in feeds if feed.alias.casefold() == name.casefold())
    return next(exact, None) or next(by_id, None) or next(folded, None)


async def _unknown(name: str, feeds: Sequence[FeedStatus], network: NetworkStatus) -> web.Response:
    near = await asyncio.to_thread(_near, name, [feed.alias for feed in feeds])
    hint = f"did you mean {' or '.join(near)}" if near else "name it by alias or id, as in /status"
    return json_response({"error": f"there is no such feed on {network.name}: {hint}", "near": near}, status=404)


def _near(name: str, aliases: Sequence[str]) -> list[str]:
    """Aliases that are spelled alike; the most alike first."""
    spelled = {alias.casefold(): alias for alias in aliases}
    return [spelled[each] for each in get_close_matches(name.casefold(), spelled, n=_NEAR, cutoff=_ALIKE)]
