"""The process: starts everything, supervises it, listens to signals, and ends in order."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Never, TypeAlias

from keeper import __version__
from keeper.app.log_events import HealthLine, log_arrival
from keeper.app.reload import Reloader
from keeper.app.shadow_lines import log_shadow
from keeper.domain.errors import Fatal, UsageError
from keeper.domain.status import ConfigStatus, KeeperStatus
from keeper.pipeline.network import Network
from keeper.ports import Clock, PriceEvent, PriceSource

DRAIN_S = 15.0
"""How long a push in flight may take to land once the keeper is told to stop."""
_LOOK_AT_HEALTH_EVERY_S = 60.0
_RESTART_AFTER_S = 5.0
_LONGEST_PAUSE_S = 300.0
"""The pause doubles up to this; a network that ran for longer starts anew with a short one."""

Beside: TypeAlias = Mapping[str, Callable[[], Coroutine[None, None, Never]]]
"""What runs beside the networks and never ends by itself, by name."""

_NOTHING: Beside = MappingProxyType({})

log = logging.getLogger(__name__)


class Keeper:
    """One price source, any number of networks, and what they have in common: the life of the process."""

    def __init__(
        self,
        *,
        source: PriceSource,
        networks: Sequence[Network],
        clock: Clock,
        reloader: Reloader | None = None,
        beside: Beside = _NOTHING,
    ) -> None:
        """`reloader` brings what is set otherwise while the keeper runs."""
        self._beside = dict(beside)
        self._source = source
        self._networks = networks
        self._clock = clock
        self._reloader = reloader
        self._started_at = clock.now()
        self._health_told_at: float | None = None
        self._stop = asyncio.Event()
        self._refusal: UsageError | None = None

    async def run(self) -> None:
        """Until a signal or `stop`; then nothing new starts and what is in flight may land, for a bounded time.

        Ends in the same order, and raises, where it cannot do its work: UsageError where a network is refused, Fatal
        where something that must never end has ended.
        """
        self._listen_to_signals()
        gc.collect()
        gc.freeze()
        networks = [
            asyncio.create_task(self._supervise(network), name=f"network {network.name}") for network in self._networks
        ]
        others = [
            asyncio.create_task(self._source.run(self._deliver), name="price source"),
            asyncio.create_task(self._tell_health(), name="health line"),
            *(asyncio.create_task(work(), name=name) for name, work in self._beside.items()),
        ]
        if self._reloader is not None:
            others.append(asyncio.create_task(self._reloader.watch(), name="config watch"))
        stopped = asyncio.create_task(self._stop.wait(), name="stop signal")
        await asyncio.wait([*others, stopped], return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in others if task.done()]
        for task in ended:
            text = f"the {task.get_name()} has ended, which must never be: the keeper stops"
            fields = {"task": task.get_name()}
            log.critical("task_ended", exc_info=_why(task), extra={"text": text, "fields": fields})
        self._stop.set()
        for network in self._networks:
            network.stop()
        await asyncio.wait(networks, timeout=DRAIN_S)
        log_shadow(self.status())
        for tasks in (networks, [*others, stopped]):  # what networks tell at their end is still listened to
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._refusal is not None:
            raise self._refusal
        if ended:
            names = ", ".join(task.get_name() for task in ended)
            raise Fatal(f"stopped, for this has ended: {names}; the log says why")

    def stop(self) -> None:
        """End in order."""
        self._stop.set()

    def force(self, origin: str) -> None:
        """Update all feeds of all networks now."""
        for network in self._networks:
            network.force(origin)

    def status(self) -> KeeperStatus:
        """Everything as of now."""
        return KeeperStatus(
            version=__version__,
            started_at=self._started_at,
            now=self._clock.now(),
            stopping=self._stop.is_set(),
            sources=tuple(self._source.status()),
            networks=tuple(network.status() for network in self._networks),
            config=ConfigStatus() if self._reloader is None else self._reloader.status(),
            health_told_at=self._health_told_at,
        )

    def _deliver(self, event: PriceEvent) -> None:
        log_arrival(event)
        for network in self._networks:
            network.take(event)

    async def _supervise(self, network: Network) -> None:
        """A network that fails where nobody expected it is started again; the others never notice.

        One that is refused ends the keeper.
        """
        pause_s = _RESTART_AFTER_S
        while not self._stop.is_set():
            began = self._clock.monotonic()
            try:
                await network.run()
            except Exception as exc:
                refusal = _refusal_in(exc)
                if refusal is not None:
                    self._refusal = refusal
                    self._stop.set()
                    return
                if self._clock.monotonic() - began > _LONGEST_PAUSE_S:
                    pause_s = _RESTART_AFTER_S
                text = f"{network.name} has crashed, and is started again in {pause_s:g} s"
                fields = {"network": network.name, "restart_after_s": pause_s}
                log.critical("network_crashed", exc_info=True, extra={"text": text, "fields": fields})
                network.crashed(f"it has crashed by a {type(exc).__name__} and will be started again: see the log")
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _tell_health(self) -> Never:
        line = HealthLine()
        while True:
            await asyncio.sleep(_LOOK_AT_HEALTH_EVERY_S)
            status = self.status()
            if line.tell(status):
                self._health_told_at = status.now
                log_shadow(status)

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGUSR1, self.force, "signal")
        if self._reloader is not None:
            loop.add_signal_handler(signal.SIGHUP, self._reloader.reload, "signal")


def _why(ended: asyncio.Task[Never]) -> BaseException | None:
    return None if ended.cancelled() else ended.exception()


def _refusal_in(error: Exception) -> UsageError | None:
    """Why a network must not run, also where its group of tasks tells it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, UsageError) else None
