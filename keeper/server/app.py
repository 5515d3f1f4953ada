"""The HTTP server: listens, and serves the routes that it is given."""

import errno
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Self, TypeAlias

from aiohttp import web
from aiohttp.typedefs import Middleware

from keeper.domain.errors import UsageError
from keeper.server.errors import json_errors
from keeper.server.safety import KEEPALIVE_S, MAX_BODY_BYTES, MAX_HEADER_BYTES, add_headers

_STOP_TIMEOUT_S = 1.0

Prepare: TypeAlias = Callable[[web.Request, web.StreamResponse], Awaitable[None]]


class Server:
    """Shows the keeper to operators, probes and Prometheus, and takes their orders: each subject brings its routes."""

    def __init__(
        self,
        routes: Iterable[web.RouteDef],
        middlewares: Sequence[Middleware] = (),
        *,
        host: str,
        port: int,
        prepare: Sequence[Prepare] = (),
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """`middlewares`: outermost first. `prepare` adds headers; `close` ends answers that would go on for ever."""
        self._routes = tuple(routes)
        self._middlewares = tuple(middlewares)
        self._host = host
        self._port = port
        self._prepare = tuple(prepare)
        self._close = close
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that is listened on: the system's choice where 0 was asked for."""
        return int(self._runner.addresses[0][1]) if self._runner and self._runner.addresses else self._port

    async def start(self) -> None:
        """Listen; raises UsageError where that cannot be done."""
        app = web.Application(middlewares=[json_errors, *self._middlewares], client_max_size=MAX_BODY_BYTES)
        app.on_response_prepare.extend([add_headers, *self._prepare])
        app.on_shutdown.append(self._shut)
        app.router.add_routes(self._routes)
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=_STOP_TIMEOUT_S,
            keepalive_timeout=KEEPALIVE_S,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
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

    async def _shut(self, _app: web.Application) -> None:
        self._close()

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
