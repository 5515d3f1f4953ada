"""Lets pages of other origins read what everybody may read; orders are not among it."""

from collections.abc import Awaitable, Callable, Collection

from aiohttp import hdrs, web

_READING = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


def allowing(origins: Collection[str]) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """What adds the headers for these origins, as soon as an answer is prepared; `*` is every one."""

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        origin = request.headers.get(hdrs.ORIGIN)
        if origins:
            response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        if origin is not None and request.method in _READING and (origin in origins or "*" in origins):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin

    return add
