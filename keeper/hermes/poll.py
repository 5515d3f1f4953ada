"""The latest prices by request, for when no stream delivers."""

import asyncio
from collections.abc import Collection

import aiohttp

from keeper.domain.accumulator import Update
from keeper.domain.units import FeedId
from keeper.hermes.config import HermesConfig
from keeper.hermes.failure import SourceFailure
from keeper.hermes.responses import FOREIGN_ERRORS, check_status, failure_of, read_bounded
from keeper.hermes.wire import latest_url, parse_updates

_ANSWER_BYTES = 2**24


async def fetch_latest(
    session: aiohttp.ClientSession, config: HermesConfig, feeds: Collection[FeedId]
) -> tuple[Update, ...]:
    """The latest prices of these feeds, in several updates where they come from different slots.

    Raises SourceFailure, or InvalidUpdate for an answer that makes no sense.
    """
    try:
        async with asyncio.timeout(config.timing.poll_timeout_s):
            body = await _request(session, config, feeds)
    except FOREIGN_ERRORS as exc:
        raise failure_of(exc) from exc
    if len(body) > _ANSWER_BYTES:
        raise SourceFailure("the answer is far too long")
    return parse_updates(body, config.decode)


async def _request(session: aiohttp.ClientSession, config: HermesConfig, feeds: Collection[FeedId]) -> bytes:
    async with session.get(
        latest_url(config.url, feeds),
        headers=config.headers(),
        timeout=aiohttp.ClientTimeout(total=None),
        allow_redirects=False,
    ) as response:
        await check_status(response, asked=feeds)
        return await read_bounded(response, limit=_ANSWER_BYTES)
