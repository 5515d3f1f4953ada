"""What the keeper shows of itself: /health, /status, /supported, /monitoring/status and /metrics."""

from aiohttp import hdrs, web

from keeper.ports import Observed
from keeper.server.errors import json_response
from keeper.server.event_metrics import EventMetrics
from keeper.server.exposition import CONTENT_TYPE
from keeper.server.health import Level, health, readiness
from keeper.server.metrics import metrics_text
from keeper.server.monitoring import monitoring
from keeper.server.status import status_view
from keeper.server.supported import supported_view


def routes(observed: Observed, counted: EventMetrics) -> list[web.RouteDef]:
    """They only ever read."""
    overview = _Overview(observed, counted)
    return [
        web.get("/health", overview.health),
        web.get("/health/live", overview.live),
        web.get("/health/ready", overview.ready),
        web.get("/status", overview.status),
        web.get("/supported", overview.supported),
        web.get("/monitoring/status", overview.monitoring),
        web.get("/metrics", overview.metrics),
    ]


class _Overview:
    def __init__(self, observed: Observed, counted: EventMetrics) -> None:
        self._observed = observed
        self._counted = counted

    async def health(self, _request: web.Request) -> web.Response:
        answer = health(self._observed.status())
        return json_response(answer, status=503 if answer.status is Level.UNHEALTHY else 200)

    async def live(self, _request: web.Request) -> web.Response:
        return json_response({"status": "alive"})

    async def ready(self, _request: web.Request) -> web.Response:
        answer = readiness(self._observed.status())
        return json_response(answer, status=200 if answer.ready else 503)

    async def status(self, _request: web.Request) -> web.Response:
        return json_response(await status_view(self._observed.status()))

    async def supported(self, _request: web.Request) -> web.Response:
        return json_response(supported_view(self._observed.status()))

    async def monitoring(self, _request: web.Request) -> web.Response:
        return json_response(monitoring(self._observed.status()))

    async def metrics(self, _request: web.Request) -> web.Response:
        text = await metrics_text(self._observed.status(), self._counted)
        return web.Response(body=text, headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})
