"""What keeps one client from harming the keeper or other clients."""

import math
import time

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from keeper.server.errors import json_response

MAX_BODY_BYTES = 64 * 1024
MAX_HEADER_BYTES = 8 * 1024
_HEADERS = {
    hdrs.CACHE_CONTROL: "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Headers for browsers, where a route has not set its own; none tells which software of which version answers."""
    response.headers[hdrs.SERVER] = "keeper"
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def rate_limited(per_minute: int) -> Middleware:
    """So many requests a minute of each route for each client; the further ones get 429 with Retry-After."""
    limiter = FixedWindowRateLimiter(MemoryStorage())
    limit = RateLimitItemPerMinute(per_minute)

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        key = (request.remote or "", "" if resource is None else resource.canonical)
        if await limiter.hit(limit, *key):
            return await handler(request)
        over = await limiter.get_window_stats(limit, *key)
        response = json_response({"error": f"more than {per_minute} requests in a minute"}, status=429)
        response.headers[hdrs.RETRY_AFTER] = str(max(1, math.ceil(over.reset_time - time.time())))
        return response

    return limited
