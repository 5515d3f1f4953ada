"""The HTTP server: /health, /status, /supported, /monitoring/status and /metrics."""

import errno
import os
from types import TracebackType
from typing import Self

from aiohttp import hdrs, web

from keeper.domain.errors import UsageError
from keeper.ports import Observed
from keeper.server.errors import json_errors, json_response
from keeper.server.event_metrics import EventMetrics
from keeper.server.exposition import CONTENT_TYPE
from keeper.server.health import Level, health, readiness
from keeper.server.metrics import metrics_text
from keeper.server.monitoring import monitoring
from keeper.server.status import status_view
from keeper.server.supported import supported_view

_STOP_TIMEOUT_S = 1.0


class Server:
    """Shows the keeper to operators, probes and Prometheus. It only ever reads."""

    def __init__(self, observed: Observed, counted: EventMetrics, *, host: str, port: int) -> None:
        self._observed = observed
        self._counted = counted
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that is listened on: the system's choice where 0 was asked for."""
        return int(self._runner.addresses[0][1]) if self._runner and self._runner.addresses else self._port

    async def start(self) -> None:
        """Listen; raises UsageError where that cannot be done."""
        app = web.Application(middlewares=[json_errors])
        app.router.add_get("/health", self._health)
        app.router.add_get("/health/live", self._live)
        app.router.add_get("/health/ready", self._ready)
        app.router.add_get("/status", self._status)
        app.router.add_get("/supported", self._supported)
        app.router.add_get("/monitoring/status", self._monitoring)
        app.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_TIMEOUT_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as exc:
            await runner.cleanup()
            raise UsageError(self._refusal(exc)) from exc
        self._runner = runner

    async def stop(self) -> None:
        """Stop listening; answers under way get a second."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _refusal(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            return f"port {self._port} is in use: stop what listens on it, or set METRICS_PORT to a free port"
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        return f"cannot listen on {self._host} port {self._port} ({why}): set METRICS_PORT to a port that can be used"

    async def _health(self, _request: web.Request) -> web.Response:
        answer = health(self._observed.status())
        return json_response(answer, status=503 if answer.status is Level.UNHEALTHY else 200)

    async def _live(self, _request: web.Request) -> web.Response:
        return json_response({"status": "alive"})

    async def _ready(self, _request: web.Request) -> web.Response:
        answer = readiness(self._observed.status())
        return json_response(answer, status=200 if answer.ready else 503)

    async def _status(self, _request: web.Request) -> web.Response:
        return json_response(await status_view(self._observed.status()))

    async def _supported(self, _request: web.Request) -> web.Response:
        return json_response(supported_view(self._observed.status()))

    async def _monitoring(self, _request: web.Request) -> web.Response:
        return json_response(monitoring(self._observed.status()))

    async def _metrics(self, _request: web.Request) -> web.Response:
        text = await metrics_text(self._observed.status(), self._counted)
        return web.Response(body=text, headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})
