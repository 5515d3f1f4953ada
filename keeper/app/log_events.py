"""The log as a listener to what happens, and its line a minute."""

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from keeper.app.event_lines import level_of, line_of
from keeper.app.lines import FeedNames
from keeper.domain.events import Event, PushFinished, PushPlanned
from keeper.domain.policy import Reason
from keeper.domain.status import KeeperStatus
from keeper.domain.units import FeedId
from keeper.server.health import Level, health

log = logging.getLogger(__name__)

_LEVELS = {Level.HEALTHY: logging.INFO, Level.DEGRADED: logging.WARNING, Level.UNHEALTHY: logging.ERROR}


class LogEvents:
    """Writes each event as one line, where its level is asked for."""

    def __init__(self, aliases: Mapping[FeedId, str]) -> None:
        self._names = FeedNames(aliases)
        self._reasons: dict[str, Mapping[FeedId, Reason]] = {}
        """Why the feeds of each network's latest push were due."""

    def rename(self, aliases: Mapping[FeedId, str]) -> None:
        """Call feeds so from now on."""
        self._names = FeedNames(aliases)

    def __call__(self, event: Event) -> None:
        """Never waits and never raises."""
        if isinstance(event, PushPlanned):
            self._reasons[event.network] = dict(event.feeds)
        level = level_of(event)
        if log.isEnabledFor(level):
            reasons = self._reasons.get(event.network, {}) if isinstance(event, PushFinished) else {}
            line = line_of(event, self._names, reasons)
            log.log(level, line.name, extra={"text": line.text, "fields": line.fields})


def log_health(status: KeeperStatus) -> None:
    """The line a minute that tells that the keeper lives, and how."""
    verdict = health(status)
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
    log.log(level, "health", extra={"text": "; ".join(told), "fields": fields})
