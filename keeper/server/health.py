"""Whether the keeper is well, component by component, and why not.

Sources stand in for one another, and so do the RPC endpoints of a network: one of several that is down degrades the
keeper, the last one makes it unhealthy. Networks fail alone: one of several that is unhealthy degrades the keeper, for
there is no use in ending the others. What feeds are worth pushing plays no part: the prices of a closed market stand
still, and that is no illness.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec

from keeper.domain.budget import FREELY, SpendMode
from keeper.domain.status import (
    MAX_CONSECUTIVE_FAILURES,
    EndpointStatus,
    KeeperStatus,
    NetworkStatus,
    SourceState,
    SourceStatus,
    TrustState,
)
from keeper.server.moments import utc_text
from keeper.server.spending import SPENDING

MAX_EVENT_AGE_S = 30
"""A source whose last event is older delivers nothing, whatever its connection says."""


class Level(StrEnum):
    """How a component does, or the keeper as a whole."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Component(msgspec.Struct, frozen=True):
    """One component: `source:NAME`, `network:NAME`, `rpc:NETWORK/ENDPOINT`, `config` or `keeper`."""

    status: Level
    why: str


class Health(msgspec.Struct, frozen=True):
    """The answer of /health."""

    status: Level
    version: str
    uptime_s: float
    consecutive_failures: int
    """Pushes that failed in a row, on the network that has most of them."""
    components: dict[str, Component]


class Readiness(msgspec.Struct, frozen=True):
    """The answer of /health/ready."""

    ready: bool
    why: list[str]
    """What is missing; empty when ready."""


_SEVERITY = (Level.HEALTHY, Level.DEGRADED, Level.UNHEALTHY)
_STATES = {
    SourceState.CONNECTING: "is connecting",
    SourceState.STREAMING: "streams",
    SourceState.POLLING: "is polled, no stream is open",
    SourceState.SILENT: "is connected, but no event comes",
    SourceState.UNAUTHORIZED: "refuses the API key",
    SourceState.NOT_ENTITLED: "does not entitle the API key to the feeds",
    SourceState.UNKNOWN_FEEDS: "does not know the feeds",
    SourceState.RATE_LIMITED: "limits our requests",
    SourceState.DOWN: "cannot be reached",
    SourceState.STANDBY: "is in reserve",
}


def health(status: KeeperStatus) -> Health:
    """The health of every component, and of the whole."""
    sources = {f"source:{source.name}": _source(source, status.now) for source in status.sources}
    components = dict(sources)
    verdicts = [_redundant(list(sources.values()))]
    networks: list[Level] = []
    for network in status.networks:
        endpoints = {f"rpc:{network.name}/{endpoint.name}": _endpoint(endpoint) for endpoint in network.endpoints}
        itself = network_health(network)
        components |= {f"network:{network.name}": itself, **endpoints}
        networks.append(_worst([itself.status, _redundant(list(endpoints.values()))]))
    if networks:
        verdicts.append(_of_several(networks))
    if status.config.trouble:
        why = f"cannot be read anew, all stays as it was: {status.config.trouble}"
        components["config"] = Component(Level.DEGRADED, why)
        verdicts.append(Level.DEGRADED)
    if status.stopping:
        components["keeper"] = Component(Level.DEGRADED, "is shutting down")
        verdicts.append(Level.DEGRADED)
    return Health(
        status=_worst(verdicts),
        version=status.version,
        uptime_s=round(status.now - status.started_at, 3),
        consecutive_failures=max((network.consecutive_failures for network in status.networks), default=0),
        components=components,
    )


def readiness(status: KeeperStatus) -> Readiness:
    """Whether traffic may rely on the keeper: a source has delivered, and some network was read."""
    missing = list(_missing(status))
    return Readiness(ready=not missing, why=missing)


def _missing(status: KeeperStatus) -> Iterator[str]:
    if status.stopping:
        yield "the keeper is shutting down"
    if not any(source.last_event_at is not None for source in status.sources):
        yield "no source has delivered a price yet"
    if not any(network.ready for network in status.networks):
        for network in status.networks:
            yield f"network {network.name} {_unread(network)}"


def _source(source: SourceStatus, now: float) -> Component:
    detail = f": {source.detail}" if source.detail else ""
    why = f"{_STATES[source.state]}{detail}"
    if source.state is SourceState.STANDBY:
        return Component(Level.HEALTHY, why)
    if source.state not in {SourceState.STREAMING, SourceState.POLLING}:
        return Component(Level.UNHEALTHY, why)
    if source.last_event_at is None:
        return Component(Level.UNHEALTHY, f"has delivered no price yet{detail}")
    age = now - source.last_event_at
    if age > MAX_EVENT_AGE_S:
        return Component(Level.UNHEALTHY, f"has delivered no price for {age:.0f} s{detail}")
    return Component(Level.HEALTHY if source.state is SourceState.STREAMING else Level.DEGRADED, why)


def network_health(network: NetworkStatus) -> Component:
    """How one network does by itself, its RPC endpoints apart."""
    if not network.ready:
        return Component(Level.UNHEALTHY, _unread(network))
    allowance = network.spending.allowance
    if allowance.mode is SpendMode.STOPPED:
        return Component(Level.UNHEALTHY, f"{SPENDING[allowance]} (account {network.account})")
    return _pause(network) or _standby(network) or _failures(network) or _running(network)


def _standby(network: NetworkStatus) -> Component | None:
    leadership = network.leadership
    if leadership.trouble:
        return Component(Level.DEGRADED, f"it cannot be told who may send: {leadership.trouble}")
    if leadership.held:
        return None
    return Component(Level.HEALTHY, f"stands by: {leadership.holder or 'nobody'} sends")


def _pause(network: NetworkStatus) -> Component | None:
    pause = network.pause
    if pause is None:
        return None
    return Component(Level.DEGRADED, f"is paused by {pause.by} since {utc_text(pause.since)}")


def _failures(network: NetworkStatus) -> Component | None:
    failures = network.consecutive_failures
    if not failures:
        return None
    level = Level.UNHEALTHY if failures >= MAX_CONSECUTIVE_FAILURES else Level.DEGRADED
    detail = f": {network.detail}" if network.detail else ""
    return Component(level, f"failed pushes in a row: {failures}{detail}")


def _running(network: NetworkStatus) -> Component:
    allowance = network.spending.allowance
    if allowance != FREELY:
        return Component(Level.DEGRADED, f"{SPENDING[allowance]} (account {network.account})")
    if network.detail and not any(row.state is TrustState.REFUSED for row in network.trust):
        return Component(Level.DEGRADED, network.detail)
    well = Component(Level.HEALTHY, "is kept fresh" if not network.dry_run else "is watched only: dry run")
    return _distrust(network) or well


def _distrust(network: NetworkStatus) -> Component | None:
    refused = [row for row in network.trust if row.state is TrustState.REFUSED]
    level = Level.UNHEALTHY if len(refused) == len(network.trust) else Level.DEGRADED
    why = "; ".join(f"does not trust source {row.source}: {row.detail}" for row in refused)
    return Component(level, why) if refused else None


def _unread(network: NetworkStatus) -> str:
    return f"is not ready: {network.detail or 'the chain was not read yet'}"


def _endpoint(endpoint: EndpointStatus) -> Component:
    if endpoint.healthy:
        return Component(Level.HEALTHY, "answers")
    return Component(Level.UNHEALTHY, endpoint.detail or "does not answer")


def _redundant(components: Sequence[Component]) -> Level:
    """The level of components any one of which suffices."""
    return _of_several([component.status for component in components])


def _of_several(each: Sequence[Level]) -> Level:
    """Unhealthy where all are, healthy where all are."""
    levels = set(each)
    if levels <= {Level.UNHEALTHY}:
        return Level.UNHEALTHY
    return Level.HEALTHY if levels == {Level.HEALTHY} else Level.DEGRADED


def _worst(levels: Sequence[Level]) -> Level:
    return max(levels, key=_SEVERITY.index)
