"""GET /v1/health/streaming, and the metrics of the streams."""

from collections.abc import Iterator
from typing import Literal

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from keeper.server.streams.broadcast import Broadcast
from keeper.server.streams.frame_parts import Priority
from keeper.server.streams.listener import Kind


class WayView(msgspec.Struct, frozen=True):
    """One way to listen."""

    enabled: bool
    connections: int
    max_connections: int


class StreamingView(msgspec.Struct, frozen=True):
    """How the streams are set up."""

    enabled: bool
    websocket: WayView | None
    """None where streaming is not enabled."""
    sse: WayView | None
    boot: str | None
    """What the ids of frames begin with since the keeper was started."""
    newest: str | None
    """The id of the newest frame."""


class StreamingMetrics(msgspec.Struct, frozen=True):
    """Since the start."""

    events_emitted_total: int
    events_lost_total: int
    """Told to nobody: too many at once, or a bug."""
    websocket_connections: int
    sse_connections: int
    websocket_messages_sent_total: int
    sse_messages_sent_total: int
    messages_dropped_total: dict[str, int]
    """By priority: clients were too slow for them."""
    clients_cut_off_total: int
    """They took nothing for too long."""


class StreamingHealth(msgspec.Struct, frozen=True):
    """The answer of /v1/health/streaming."""

    status: Literal["healthy", "unhealthy", "disabled"]
    event_streaming: StreamingView
    metrics: StreamingMetrics


DISABLED = StreamingHealth(
    "disabled",
    StreamingView(enabled=False, websocket=None, sse=None, boot=None, newest=None),
    StreamingMetrics(0, 0, 0, 0, 0, 0, {"low": 0, "medium": 0, "high": 0}, 0),
)


def streaming_health(broadcast: Broadcast, ways: frozenset[Kind]) -> StreamingHealth:
    """As of now; `ways` are those that are offered."""
    hub, tally, connected = broadcast.hub, broadcast.tally, broadcast.connected
    views = {kind: WayView(kind in ways, connected[kind], broadcast.limits.clients[kind]) for kind in Kind}
    return StreamingHealth(
        status="healthy" if broadcast.works else "unhealthy",
        event_streaming=StreamingView(
            enabled=True,
            websocket=views[Kind.WEBSOCKET],
            sse=views[Kind.SSE],
            boot=hub.boot,
            newest=hub.id_of(hub.newest),
        ),
        metrics=StreamingMetrics(
            events_emitted_total=broadcast.emitted.total(),
            events_lost_total=broadcast.lost,
            websocket_connections=connected[Kind.WEBSOCKET],
            sse_connections=connected[Kind.SSE],
            websocket_messages_sent_total=tally.sent[Kind.WEBSOCKET],
            sse_messages_sent_total=tally.sent[Kind.SSE],
            messages_dropped_total={priority.name.lower(): tally.dropped[priority] for priority in Priority},
            clients_cut_off_total=tally.cut_off,
        ),
    )


class StreamMetrics(Collector):
    """Reads what the broadcast counts, when Prometheus asks."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast

    def collect(self) -> Iterator[Metric]:
        """Every series from the start on."""
        it, tally = self._broadcast, self._broadcast.tally
        yield GaugeMetricFamily(
            "keeper_event_streaming_up", "Whether events are told as they happen (1) or not (0).", float(it.works)
        )
        emitted = CounterMetricFamily(
            "keeper_events_emitted", "Frames told, by type, whoever listened.", labels=["type"]
        )
        for type_, count in it.emitted.items():
            emitted.add_metric([type_], count)
        yield emitted
        yield CounterMetricFamily("keeper_events_lost", "Events that could not be told to anybody.", it.lost)
        for kind in Kind:
            name = kind.value
            yield GaugeMetricFamily(f"keeper_{name}_connections", f"Clients that listen by {name}.", it.connected[kind])
            yield CounterMetricFamily(f"keeper_{name}_messages_sent", f"Frames sent by {name}.", tally.sent[kind])
        dropped = CounterMetricFamily(
            "keeper_stream_messages_dropped", "Frames that clients were too slow for.", labels=["priority"]
        )
        for priority in Priority:
            dropped.add_metric([priority.name.lower()], tally.dropped[priority])
        yield dropped
        yield CounterMetricFamily(
            "keeper_stream_clients_cut_off", "Clients that took nothing for too long.", tally.cut_off
        )
