"""What the stream and the polls have in common: how answers are checked, and what failures mean."""

import os
from collections.abc import Collection

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from keeper.domain.units import FeedId
from keeper.hermes.failure import SourceFailure
from keeper.hermes.wire import refusal

FOREIGN_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError, UnicodeDecodeError)
"""What asking through aiohttp may raise, timeouts included; `failure_of` tells what each means."""

_REFUSAL_BYTES = 64 * 1024


async def read_bounded(response: aiohttp.ClientResponse, *, limit: int) -> bytes:
    """The body, or what came of it when it grew beyond `limit` bytes."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            break
    return bytes(body)


async def check_status(response: aiohttp.ClientResponse, *, asked: Collection[FeedId]) -> None:
    """Raise SourceFailure, and let go of the response, unless it is a 200."""
    if response.status == 200:
        return
    try:
        body = await read_bounded(response, limit=_REFUSAL_BYTES)
    finally:
        response.close()
    retry_after = response.headers.get("Retry-After")
    raise refusal(response.status, body.decode(errors="replace"), retry_after=retry_after, asked=asked)


def failure_of(exc: Exception) -> SourceFailure:  # noqa: PLR0911 - a table: one line a cause
    """What went wrong, in words without URL and host."""
    match exc:
        case LineTooLong():
            return SourceFailure("the server sends lines that are too long")
        case UnicodeDecodeError():
            return SourceFailure("the server sends bytes that are not text")
        case TimeoutError():
            return SourceFailure("the server does not answer in time")
        case aiohttp.ClientConnectorDNSError():
            return SourceFailure("the host name does not resolve; check HERMES_URL and the DNS")
        case aiohttp.ClientSSLError():
            return SourceFailure("TLS failed; check HERMES_URL, the system's certificates and its clock")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return SourceFailure("HERMES_URL is not a URL that can be asked", refused=True)
        case aiohttp.ServerDisconnectedError():
            return SourceFailure("the server closed the connection")
        case aiohttp.ClientPayloadError() | HttpProcessingError():
            return SourceFailure("the answer broke off or is not HTTP")
        case OSError(errno=int(number)) if number > 0:
            return SourceFailure(f"the connection failed: {os.strerror(number)}")
        case _:
            return SourceFailure(f"the connection failed: {type(exc).__name__}")
