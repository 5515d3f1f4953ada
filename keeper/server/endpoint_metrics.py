"""Metrics of RPC endpoints, by name."""

from collections.abc import Iterator, Sequence

from keeper.domain.status import REQUEST_BUCKETS_S, EndpointState, EndpointStatus, KeeperStatus
from keeper.server.exposition import Family, Histogram, HistogramSample, labels
from keeper.server.state_metrics import Breakdown, Measure

_MEASURES: tuple[Measure[EndpointStatus], ...] = (
    Measure(
        "keeper_rpc_endpoint_up",
        "gauge",
        "Whether an RPC endpoint is healthy (1) or not (0).",
        lambda endpoint, _: int(endpoint.healthy),
    ),
    Measure(
        "keeper_rpc_endpoint_latency_seconds",
        "gauge",
        "How long its answers take, averaged over the last ones.",
        lambda endpoint, _: endpoint.latency_s,
    ),
    Measure(
        "keeper_rpc_endpoint_lag_blocks",
        "gauge",
        "How far it was behind others when it last told its newest block.",
        lambda endpoint, _: endpoint.lag_blocks,
    ),
    Measure(
        "keeper_rpc_notifications_total",
        "counter",
        "Notifications of subscriptions.",
        lambda endpoint, _: endpoint.notifications,
    ),
)
_STATE: Breakdown[EndpointStatus] = Breakdown(
    "keeper_rpc_endpoint_state",
    "gauge",
    "1 for the state an RPC endpoint is in, 0 for all others.",
    "state",
    lambda endpoint: {state.value: int(state is endpoint.state) for state in EndpointState},
)


def endpoint_families(status: KeeperStatus) -> list[Family | Histogram]:
    """Every family, its samples still to be computed."""
    endpoints = [
        (labels(network=network.name, endpoint=endpoint.name), endpoint)
        for network in status.networks
        for endpoint in network.endpoints
    ]
    return [
        *(measure.family(endpoints, status.now) for measure in _MEASURES),
        _STATE.family(endpoints),
        Histogram(
            "keeper_rpc_request_seconds",
            "JSON-RPC requests by how they ended and how long they took; a batch counts once.",
            REQUEST_BUCKETS_S,
            _request_times(endpoints),
        ),
    ]


def _request_times(endpoints: Sequence[tuple[str, EndpointStatus]]) -> Iterator[HistogramSample]:
    for labelled, endpoint in endpoints:
        for outcome, times in endpoint.request_times.items():
            yield f"{labelled},{labels(outcome=outcome)}", times.counts, times.total_s
