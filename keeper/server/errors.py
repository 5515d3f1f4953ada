"""Every answer is JSON, also the unhappy ones, and none tells more than the client has a use for."""

import logging

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

log = logging.getLogger(__name__)


def json_response(body: object, *, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


@web.middleware
async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns errors into JSON; an unexpected one is logged here and not shown to the client."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        routes = sorted({resource.canonical for resource in request.app.router.resources()})
        return json_response({"error": "there is nothing here", "routes": routes}, status=404)
    except web.HTTPException as exc:
        response = json_response({"error": exc.reason.lower()}, status=exc.status)
        if hdrs.ALLOW in exc.headers:
            response.headers[hdrs.ALLOW] = exc.headers[hdrs.ALLOW]
        return response
    except Exception:  # the supervisor of handlers: one broken answer must not show a traceback
        log.exception("request_failed", extra={"path": request.path})
        return json_response({"error": "internal error, see the log"}, status=500)
