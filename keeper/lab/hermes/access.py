"""Who may pass: refusals, the rate limit, the API key."""

import hmac

from aiohttp import web

from keeper.lab.hermes.faults import Faults
from keeper.lab.hermes.streams import reset_connection


def refuse(request: web.Request, faults: Faults, *, is_stream: bool) -> None:
    """Raises HTTP 503, or resets the connection, where new requests are refused."""
    if faults.refuse is None or (faults.refuse_routes == "stream" and not is_stream):
        return
    if faults.refuse == "reset":
        reset_connection(request)
    raise web.HTTPServiceUnavailable(text="Service unavailable")


def throttle(request: web.Request, faults: Faults, *, now: float) -> None:
    """Raises HTTP 429 where the client asks too often, or whoever asks."""
    if faults.throttle == "off":
        return
    if faults.throttle == "counting" and faults.rate_limit.allows(request.remote or "", now=now):
        return
    headers = {} if faults.retry_after_s is None else {"Retry-After": str(faults.retry_after_s)}
    raise web.HTTPTooManyRequests(text="Too many requests", headers=headers)


def authorize(request: web.Request, faults: Faults) -> None:
    """Raises HTTP 401 where a key is wanted and the request does not carry it."""
    wanted = faults.api_key
    given = request.headers.get("Authorization", "")
    if wanted is not None and not hmac.compare_digest(given.encode(), f"Bearer {wanted}".encode()):
        raise web.HTTPUnauthorized(text="Unauthorized: this route needs a valid API key")
