"""One connection to a Hermes stream, on aiohttp-sse-client with its traps closed.

- After a clean end it would wait and reconnect by itself: here the end raises before it can.
- It drops a refusal's status, body and Retry-After: here they are read before it sees the response.
- It logs the URL, which may hold a key: its logger is off.
- aiohttp would cut the stream after five minutes, and lines at 512 KiB: both limits are set here.
"""

import asyncio
import logging
from collections.abc import Collection
from datetime import timedelta
from typing import Never, Protocol

import aiohttp
from aiohttp_sse_client.client import CONTENT_TYPE_EVENT_STREAM, READY_STATE_CONNECTING, EventSource

from keeper.domain.status import SourceState
from keeper.domain.units import FeedId
from keeper.hermes.config import HermesConfig
from keeper.hermes.failure import SourceFailure
from keeper.hermes.responses import FOREIGN_ERRORS, check_status, failure_of
from keeper.hermes.wire import error_event, stream_url

_READ_BUFFER_BYTES = 2**23
"""Half of the longest line that aiohttp will read."""

logging.getLogger("aiohttp_sse_client").setLevel(logging.CRITICAL + 1)


class Listener(Protocol):
    """Who listens to a stream."""

    def on_data(self, data: str) -> bool:
        """Take one event; tells whether it is a sign of life, that is, holds prices."""
        ...

    def on_problem(self, problem: str) -> None:
        """Take note of a problem that does not end the stream."""
        ...


async def listen(
    session: aiohttp.ClientSession, config: HermesConfig, feeds: Collection[FeedId], listener: Listener
) -> Never:
    """Hand the events of one connection to the listener until it is lost; raises SourceFailure, which says why."""
    silence_s = config.timing.silence_s
    loop = asyncio.get_running_loop()
    opened = False
    try:
        async with asyncio.timeout(config.timing.connect_timeout_s) as watchdog:
            async with _event_source(session, config, feeds) as events:
                opened = True
                watchdog.reschedule(loop.time() + silence_s)
                async for event in events:
                    if event.type == "error":
                        _report(event.data, listener)
                    elif listener.on_data(event.data):
                        watchdog.reschedule(loop.time() + silence_s)
    except FOREIGN_ERRORS as exc:
        if opened and watchdog.expired():
            raise SourceFailure(f"no prices for {silence_s:g} s", state=SourceState.SILENT) from exc
        raise failure_of(exc) from exc
    raise SourceFailure("the server ended the stream")


def _event_source(session: aiohttp.ClientSession, config: HermesConfig, feeds: Collection[FeedId]) -> EventSource:
    async def check(response: aiohttp.ClientResponse) -> None:
        await check_status(response, asked=feeds)
        if response.content_type != CONTENT_TYPE_EVENT_STREAM:
            response.close()
            raise SourceFailure("the answer is not an event stream; check HERMES_URL and its path", refused=True)

    def stop_at_the_end() -> None:
        if source.ready_state == READY_STATE_CONNECTING:
            raise StopAsyncIteration

    source = EventSource(
        stream_url(config.url, feeds),
        session=session,
        max_connect_retry=0,
        reconnection_time=timedelta(0),
        on_error=stop_at_the_end,
        headers=config.headers(),
        timeout=aiohttp.ClientTimeout(total=None),
        read_bufsize=_READ_BUFFER_BYTES,
        raise_for_status=check,
        allow_redirects=False,
    )
    return source


def _report(text: str, listener: Listener) -> None:
    failure = error_event(text)
    if failure is not None:
        raise failure
    listener.on_problem("the server reports an error while it goes on streaming")
