"""The Hermes simulator as a whole: a server with a clock of slots."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from keeper.domain.errors import UsageError
from keeper.domain.units import FeedId
from keeper.lab.hermes.config import SimulatorConfig
from keeper.lab.hermes.control import parse_action
from keeper.lab.hermes.publisher import Publisher
from keeper.lab.hermes.server import HermesRoutes

_MAX_URL_BYTES = 64 * 1024
_SHUTDOWN_S = 1.0


class HermesSimulator:
    """Serves truly signed prices in the wire format of Hermes, and misbehaves on request."""

    def __init__(self, config: SimulatorConfig, *, clock: Callable[[], float] = time.time) -> None:
        """Reads recordings, opens nothing. `clock` tells Unix seconds. Raises UsageError for a bad setting."""
        self._interval_s = config.interval_ms / 1000
        self.publisher = Publisher(config, clock=clock)
        self._routes = HermesRoutes(self.publisher, config)
        self._runner: web.AppRunner | None = None
        self._slots: asyncio.Task[None] | None = None
        self.url = ""
        """Where it serves, once started."""

    @property
    def feed_ids(self) -> list[FeedId]:
        """All feeds, in order."""
        return [feed.id for feed in self.publisher.market.catalogue.feeds]

    @property
    def signers(self) -> tuple[str, ...]:
        """The signers' addresses by index, checksummed."""
        return self.publisher.signers.addresses

    @property
    def quorum(self) -> int:
        """How many signatures each update carries."""
        return self.publisher.signers.quorum

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Serve; port 0 takes a free one. Raises UsageError where it cannot listen there."""
        self.publisher.publish()
        runner = web.AppRunner(
            self._routes.application(),
            access_log=None,
            handler_cancellation=True,
            max_line_size=_MAX_URL_BYTES,
            shutdown_timeout=_SHUTDOWN_S,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, OverflowError) as exc:
            await runner.cleanup()
            raise UsageError(f"cannot listen on {host} port {port}: {exc}") from exc
        self._runner = runner
        self.url = _url(host, runner.addresses[0][1])
        if self._interval_s:
            self._slots = asyncio.create_task(self._run_slots(), name="hermes-simulator-slots")

    async def watch(self) -> None:
        """Never returns while all is well; raises what stopped the slots."""
        if self._slots is None:
            await asyncio.Event().wait()
        else:
            await self._slots

    async def stop(self) -> None:
        """End the streams cleanly and stop listening; `start` may follow."""
        if self._slots is not None:
            self._slots.cancel()
            self._slots = None
        self.publisher.end_streams()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def publish(self) -> int:
        """Make the next slot now and send it to every stream; the slot's number."""
        return self.publisher.publish()

    async def control(self, request: Mapping[str, Any]) -> None:
        """Carry out what would be posted to the control route; raises UsageError for a bad request."""
        parse_action(dict(request)).apply(self.publisher)

    def state(self) -> dict[str, Any]:
        """What the control route tells."""
        return self._routes.state()

    async def _run_slots(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + self._interval_s, loop.time())
            await asyncio.sleep(due - loop.time())
            self.publisher.publish()


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
