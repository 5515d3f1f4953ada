"""The log as a listener to what happens, and its line that tells how all is."""

import logging
from collections import Counter, OrderedDict
from collections.abc import Mapping
from datetime import timedelta

from keeper.app.event_lines import level_of, line_of
from keeper.app.lines import FeedNames
from keeper.domain.events import Event, PushFinished, PushPlanned
from keeper.domain.policy import Reason
from keeper.domain.status import KeeperStatus
from keeper.domain.units import FeedId
from keeper.ports import PriceEvent
from keeper.server.health import Health, Level, health

log = logging.getLogger(__name__)

WELL_EVERY_S = 300.0
"""Between two health lines while all is well."""
_MOST_TRACES = 1000
"""Pushes that are remembered: by then they are final."""
_GRAIN_S = 30.0
"""Whoever calls once a minute is not exactly on time."""
_LEVELS = {Level.HEALTHY: logging.INFO, Level.DEGRADED: logging.WARNING, Level.UNHEALTHY: logging.ERROR}


class LogEvents:
    """Writes each event as one line, where its level is asked for."""

    def __init__(self, aliases: Mapping[FeedId, str]) -> None:
        self._names = FeedNames(aliases)
        self._reasons: dict[str, Mapping[FeedId, Reason]] = {}
        """Why the feeds of each network's latest push were due."""
        self._traces: OrderedDict[tuple[str, int], str] = OrderedDict()
        """By network and push: what leads back to the stream's event."""

    def rename(self, aliases: Mapping[FeedId, str]) -> None:
        """Call feeds so from now on."""
        self._names = FeedNames(aliases)

    def __call__(self, event: Event) -> None:
        """Never waits and never raises."""
        if isinstance(event, PushPlanned):
            self._reasons[event.network] = dict(event.feeds)
            self._remember(event)
        level = level_of(event)
        if log.isEnabledFor(level):
            reasons = self._reasons.get(event.network, {}) if isinstance(event, PushFinished) else {}
            line = line_of(event, self._names, reasons)
            trace = self._traces.get((line.fields.get("network", ""), line.fields.get("push", 0)))
            fields = line.fields if trace is None else line.fields | {"trace": trace}
            log.log(level, line.name, extra={"text": line.text, "fields": fields})

    def _remember(self, event: PushPlanned) -> None:
        if event.slots:
            self._traces[event.network, event.push] = trace_of(max(event.slots))
            if len(self._traces) > _MOST_TRACES:
                self._traces.popitem(last=False)


def log_arrival(event: PriceEvent) -> None:
    """The line of what a source delivered; for debugging only."""
    if log.isEnabledFor(logging.DEBUG):
        traces = [trace_of(update.slot) for update in event.updates]
        text = f"{event.source} delivers {', '.join(traces)}"
        log.debug("prices_arrived", extra={"text": text, "fields": {"source": event.source, "trace": traces}})


def trace_of(slot: int) -> str:
    """What the lines of a stream's event, and of every push that was made of it, have in common."""
    return f"slot-{slot}"


class HealthLine:
    """The line that tells that the keeper lives, and how: whenever it is due, and more often while all is not well."""

    def __init__(self) -> None:
        self._told: Level | None = None
        self._told_at = float("-inf")

    def tell(self, status: KeeperStatus) -> bool:
        """Called once a minute; returns whether it was written."""
        verdict = health(status)
        well = verdict.status is Level.HEALTHY and self._told is Level.HEALTHY
        if well and status.now - self._told_at < WELL_EVERY_S - _GRAIN_S:
            return False
        self._told, self._told_at = verdict.status, status.now
        _log_health(status, verdict)
        return True


def _log_health(status: KeeperStatus, verdict: Health) -> None:
    level = _LEVELS[verdict.status]
    if not log.isEnabledFor(level):
        return
    pushes = Counter[str]()
    for network in status.networks:
        pushes.update({outcome.value: count for outcome, count in network.pushes.items() if count})
    problems = {name: part.why for name, part in verdict.components.items() if part.status is not Level.HEALTHY}
    uptime_s = int(verdict.uptime_s)
    fields = {
        "status": verdict.status.value,
        "uptime": uptime_s,
        "consecutiveFailures": verdict.consecutive_failures,
        "pushes": dict(pushes),
        "problems": problems,
    }
    counts = [f"{count:,} {outcome.replace('_', ' ')}" for outcome, count in pushes.items()]
    told = [
        f"{verdict.status}, up {timedelta(seconds=uptime_s)}, pushes: {', '.join(counts) or 'none yet'}",
        *(f"{name} {why}" for name, why in problems.items()),
    ]
    log.log(level, "health", extra={"text": "; ".join(told), "fields": fields, "paced": True})
