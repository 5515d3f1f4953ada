"""The HTTP server: listens, and serves the routes that it is given."""

import asyncio
import errno
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Self, TypeAlias

from aiohttp import web
from aiohttp.typedefs import Middleware

from keeper.domain.errors import UsageError
from keeper.server.errors import json_errors
from keeper.server.gate import Gate, Patience
from keeper.server.safety import MAX_BODY_BYTES, MAX_HEADER_BYTES, add_headers

_STOP_TIMEOUT_S = 1.0
_PATIENCE = Patience()
_UNHEARD = logging.getLogger("keeper.server.unheard")
"""What aiohttp says of bytes that are no HTTP: strangers may send any, and get 400."""
_UNHEARD.setLevel(logging.CRITICAL + 1)

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
        patience: Patience = _PATIENCE,
        prepare: Sequence[Prepare] = (),
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """`middlewares`: outermost first. `prepare` adds headers; `close` ends answers that would go on for ever."""
        self._patience = patience
        self._routes = tuple(routes)
        self._middlewares = tuple(middlewares)
        self._host = host
        self._port = port
        self._prepare = tuple(prepare)
        self._close = close
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port that is listened on: the system's choice where 0 was asked for."""
        return int(self._listening.sockets[0].getsockname()[1]) if self._listening else self._port

    async def start(self) -> None:
        """Listen; raises UsageError where that cannot be done."""
        gate = Gate(self._patience)
        app = web.Application(
            middlewares=[json_errors, *self._middlewares, gate.middleware], client_max_size=MAX_BODY_BYTES
        )
        app.on_response_prepare.extend([add_headers, *self._prepare])
        app.on_shutdown.append(self._shut)
        app.router.add_routes(self._routes)
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=_UNHEARD,
            shutdown_timeout=_STOP_TIMEOUT_S,
            keepalive_timeout=self._patience.keepalive_s,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        await runner.setup()
        assert runner.server is not None
        protocols, loop = gate.guarding(runner.server), asyncio.get_running_loop()
        try:
            self._listening = await loop.create_server(protocols, self._host, self._port)
        except OSError as exc:
            await runner.cleanup()
            raise UsageError(self._refusal(exc)) from exc
        self._runner = runner

    async def stop(self) -> None:
        """Stop listening; answers under way get a second."""
        if self._runner and self._listening:
            self._listening.close()
            await self._runner.cleanup()
            self._runner = self._listening = None

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
