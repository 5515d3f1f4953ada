"""What clients of the streams ask for, and why they may not have it."""

import asyncio
from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from keeper.domain.errors import UsageError
from keeper.ports import Observed
from keeper.server.errors import json_response
from keeper.server.streams.hub import FrameId, frame_id
from keeper.server.streams.topics import Wanted, wanted

_LAST_EVENT_ID = "Last-Event-ID"
_PARAMETERS = ("events", "network", "feed", "since", "last")
_MOST_LAST = 1000
_COME_BACK_S = 5


class Asked:
    """One request for a stream."""

    def __init__(self, request: web.Request, observed: Observed) -> None:
        """Raises UsageError where it is not to be understood."""
        query = request.query
        if strange := [name for name in query if name not in _PARAMETERS]:
            raise UsageError(f"there is no parameter {strange[0]!r}: choose among {', '.join(_PARAMETERS)}")
        several = {name: query.getall(name, []) for name in _PARAMETERS}
        self.wanted: Wanted = wanted(several, observed.status().networks)
        since = request.headers.get(_LAST_EVENT_ID) or query.get("since")
        self.since: FrameId | None = frame_id(since) if since else None
        self.last = _count(query.get("last", "0"))


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= _MOST_LAST:
        return int(text)
    raise UsageError(f"last={text[:20]!r} is no whole number from 0 to {_MOST_LAST}")


def transport_of(request: web.Request) -> asyncio.Transport:
    """The client's connection; raises ConnectionResetError where it has gone."""
    if request.transport is None:
        raise ConnectionResetError("the client has gone")
    return request.transport


def refused(exc: UsageError) -> web.Response:
    """The answer to what is not to be understood."""
    return json_response({"error": str(exc)}, status=400)


def full(most: int) -> web.Response:
    """The answer where there is no place."""
    response = json_response({"error": f"there are {most} clients already, and no more are allowed"}, status=503)
    response.headers[hdrs.RETRY_AFTER] = str(_COME_BACK_S)
    return response


def is_foreign(request: web.Request, allowed: Collection[str]) -> bool:
    """Whether a page of somebody else's opens a WebSocket: browsers let any page do so, and tell which."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or origin in allowed or "*" in allowed:
        return False
    return urlsplit(origin).netloc != request.host
