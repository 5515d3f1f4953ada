"""The two ways to ask an endpoint for prices, as the rest of the source sees them."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Never, Protocol

import aiohttp

from keeper.domain.accumulator import Update
from keeper.domain.units import FeedId
from keeper.hermes.config import HermesConfig
from keeper.hermes.poll import fetch_latest
from keeper.hermes.sse import Listener, listen


class Transport(Protocol):
    """An endpoint."""

    async def listen(self, feeds: Collection[FeedId], listener: Listener) -> Never:
        """Hand the events of one connection to the listener until it is lost; raises SourceFailure, which says why."""
        ...

    async def latest(self, feeds: Collection[FeedId]) -> tuple[Update, ...]:
        """The latest prices; raises SourceFailure or InvalidUpdate."""
        ...


class HttpTransport:
    """An endpoint over HTTP."""

    def __init__(self, config: HermesConfig, session: aiohttp.ClientSession) -> None:
        self._config = config
        self._session = session

    async def listen(self, feeds: Collection[FeedId], listener: Listener) -> Never:
        """Listen to one connection of the stream."""
        await listen(self._session, self._config, feeds, listener)

    async def latest(self, feeds: Collection[FeedId]) -> tuple[Update, ...]:
        """Ask for the latest prices."""
        return await fetch_latest(self._session, self._config, feeds)


@asynccontextmanager
async def http_transport(config: HermesConfig) -> AsyncIterator[Transport]:
    """An endpoint over HTTP with a session of its own."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield HttpTransport(config, session)
