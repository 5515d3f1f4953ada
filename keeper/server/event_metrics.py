"""Metrics that no snapshot holds: counted from events as they happen."""

from collections import Counter as Tally
from itertools import product

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, ProcessCollector

from keeper.domain.events import (
    ChainReadFailed,
    Event,
    ForceRefused,
    ForceRequested,
    LeadershipGained,
    LeadershipLost,
    PushFinished,
    PushPlanned,
    PushRetried,
    PushSent,
    SourceProblem,
)
from keeper.domain.status import FeedStatus, KeeperStatus, NetworkStatus
from keeper.domain.units import WEI_PER_GWEI, FeedId
from keeper.server.exposition import Family, Sample, labels

_LEADERSHIP_CHANGES = ("gained", "lost", "given_back")
_ORIGINS = ("timer", "signal", "control")
_SEND_BUCKETS_S = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_RECEIPT_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 12, 16, 24, 36, 60, 120, 300)
_RETRY_BUCKETS = (0, 1, 2, 3, 5, 10)


class EventMetrics:
    """A subscriber of events. Lives on the event loop: its numbers are read there too."""

    def __init__(self) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's omission
        self.registry = registry = CollectorRegistry()
        self._tx_latency = Histogram(
            "tx_latency_seconds",
            "From the arrival of the newest price in a push to its receipt.",
            ["network"],
            buckets=_RECEIPT_BUCKETS_S,
            registry=registry,
        )
        self._send_latency = Histogram(
            "keeper_send_latency_seconds",
            "From the arrival of the newest price in a push to its acceptance by an endpoint.",
            ["network"],
            buckets=_SEND_BUCKETS_S,
            registry=registry,
        )
        self._gas_cost = Gauge(
            "gas_cost_gwei", "What the gas of the last mined push cost.", ["network"], registry=registry
        )
        self._retries = Counter(
            "keeper_push_retries_total", "Attempts at a push after the first.", ["network"], registry=registry
        )
        self._retries_per_push = Histogram(
            "keeper_retries_per_push",
            "Attempts at a push after the first, when it ended.",
            ["network"],
            buckets=_RETRY_BUCKETS,
            registry=registry,
        )
        self._read_failures = Counter(
            "keeper_chain_read_failures_total",
            "Reads of the chain that no endpoint answered.",
            ["network"],
            registry=registry,
        )
        self._by_network = (
            self._tx_latency,
            self._send_latency,
            self._retries,
            self._retries_per_push,
            self._read_failures,
        )
        self._planned = Counter(
            "keeper_feeds_planned_total",
            "Feeds put into pushes, by the reason of the verdict.",
            ["network", "reason"],
            registry=registry,
        )
        self._forced = Counter(
            "keeper_forced_updates_total",
            "Updates that were asked for whatever the thresholds say, by who asked; refused ones were not made.",
            ["network", "origin", "refused"],
            registry=registry,
        )
        self._leadership_changes = Counter(
            "keeper_leadership_changes_total",
            "Times that this keeper began to send for the account, and ended: in order, or because it had to.",
            ["network", "change"],
            registry=registry,
        )
        self._problems = Counter(
            "keeper_source_problems_total",
            "Bad data, error events and failed polls of a source.",
            ["source"],
            registry=registry,
        )
        self._writes: Tally[tuple[str, FeedId]] = Tally()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)

    def __call__(self, event: Event) -> None:
        """Count; microseconds, and it never raises."""
        match event:
            case PushPlanned():
                for _, reason in event.feeds:
                    self._planned.labels(event.network, reason.value).inc()
            case ForceRequested() | ForceRefused():
                refused = "yes" if isinstance(event, ForceRefused) else "no"
                self._forced.labels(event.network, event.origin, refused).inc()
            case PushSent():
                self._send_latency.labels(event.network).observe(event.event_to_sent_s)
            case PushRetried():
                self._retries.labels(event.network).inc()
            case PushFinished():
                self._finished(event)
            case ChainReadFailed():
                self._read_failures.labels(event.network).inc()
            case LeadershipGained() | LeadershipLost():
                self._leadership_changes.labels(event.network, _change(event)).inc()
            case SourceProblem():
                self._problems.labels(event.source).inc()
            case _:
                pass

    def _finished(self, event: PushFinished) -> None:
        self._writes.update((event.network, feed) for feed in event.written)
        self._retries_per_push.labels(event.network).observe(event.retries)
        if event.latency_s is not None:
            self._tx_latency.labels(event.network).observe(event.latency_s)
        if event.cost is not None:
            self._gas_cost.labels(event.network).set(event.cost.gas / WEI_PER_GWEI)

    def prepare(self, status: KeeperStatus) -> None:
        """Start every series at 0, so that its first increase is seen as one."""
        for network in status.networks:
            for metric in self._by_network:
                metric.labels(network.name)
            for origin, refused in product(_ORIGINS, ("no", "yes")):
                self._forced.labels(network.name, origin, refused)
            for change in _LEADERSHIP_CHANGES:
                self._leadership_changes.labels(network.name, change)
        for source in status.sources:
            self._problems.labels(source.name)

    def writes(self, status: KeeperStatus) -> Family:
        """Feeds written on chain by us; a family of its own, since it has a sample a feed."""
        feeds = ((network, feed) for network in status.networks for feed in network.feeds)
        return Family(
            "keeper_feed_writes_total",
            "counter",
            "Times that a push of ours wrote a feed on chain.",
            (self._written(network, feed) for network, feed in feeds),
        )

    def _written(self, network: NetworkStatus, feed: FeedStatus) -> Sample:
        return labels(network=network.name, feed=feed.alias), self._writes[network.name, feed.feed_id]


def _change(event: LeadershipGained | LeadershipLost) -> str:
    if isinstance(event, LeadershipGained):
        return "gained"
    return "given_back" if event.planned else "lost"
