"""What the dashboards show: PromQL by panel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HERE = 'namespace=~"$namespace"'
"""The namespaces of Kubernetes that are chosen on a dashboard; elsewhere there are none, and all is chosen."""
NETWORK = f'{HERE},network=~"$network"'
"""The networks that are chosen there."""
KEEPER = f'{HERE},job="pyth-keeper"'


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over time, one for each series of each expression; `unit` is Grafana's name of it."""

    title: str
    expressions: Mapping[str, str]
    """By the legend of their series."""
    unit: str = "short"
    about: str = ""


@dataclass(frozen=True, slots=True)
class Number:
    """The newest value, large."""

    title: str
    expression: str
    unit: str = "short"
    about: str = ""
    good: str = ""
    """`above 5` or `below 5`: green there, red elsewhere; empty for no colour."""


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard."""

    name: str
    title: str
    about: str
    numbers: Sequence[Number]
    charts: Sequence[Chart]
    by_network: bool = True


def newest(metric: str, *by: str, where: str = HERE) -> str:
    """The value of each series; one series of all replicas."""
    return f"max by ({', '.join(by)}) ({metric}{{{where}}})"


def hourly(metric: str, *by: str, where: str = HERE) -> str:
    """How much more in an hour."""
    return f"sum by ({', '.join(by)}) (increase({metric}{{{where}}}[1h]))"


def each_second(metric: str, *by: str) -> str:
    """How much more in a second."""
    return f"sum by ({', '.join(by)}) (rate({metric}{{{HERE}}}[$__rate_interval]))"


def quantile(share: float, metric: str, *by: str, where: str = HERE) -> str:
    """Of a histogram, over the last hour."""
    return f"histogram_quantile({share}, sum by ({', '.join((*by, 'le'))}) (rate({metric}_bucket{{{where}}}[1h])))"


BOARDS = (
    Board(
        "overview",
        "Pyth keeper: overview",
        "Whether all networks are kept fresh, and what needs a look.",
        [
            Number("In policy, last hour", f"min(keeper_in_policy_ratio{{{HERE}}})", "percentunit", good="above 0.999"),
            Number("Networks ready", f"sum(max by (network) (keeper_ready{{{HERE}}}))"),
            Number("Streams open", f"sum(max by (source) (sse_connection_status{{{HERE}}}))", good="above 1"),
            Number("RPC endpoints up", f"sum(max by (network, endpoint) (keeper_rpc_endpoint_up{{{HERE}}}))"),
            Number("Pushes in flight", f"sum(keeper_in_flight{{{HERE}}})"),
            Number("Failures in a row", f"max(keeper_consecutive_failures{{{HERE}}})", good="below 5"),
            Number("Shortest runway", f"min(keeper_runway_seconds{{{HERE}}})", "s", good="above 86400"),
            Number("Keepers", f"count(up{{{KEEPER}}} == 1)"),
        ],
        [
            Chart("Pushes an hour", {"{{network}} {{outcome}}": hourly("price_updates_total", "network", "outcome")}),
            Chart(
                "Out of policy, share of time",
                {
                    "{{network}}": "avg by (network)"
                    f" (rate(keeper_out_of_policy_seconds_total{{{HERE}}}[$__rate_interval]))"
                },
                "percentunit",
            ),
            Chart(
                "Event to acceptance by a node",
                {
                    "{{network}} p50": quantile(0.5, "keeper_send_latency_seconds", "network"),
                    "{{network}} p99": quantile(0.99, "keeper_send_latency_seconds", "network"),
                },
                "s",
            ),
            Chart(
                "Event to receipt",
                {
                    "{{network}} p50": quantile(0.5, "tx_latency_seconds", "network"),
                    "{{network}} p99": quantile(0.99, "tx_latency_seconds", "network"),
                },
                "s",
            ),
            Chart("Oldest price on chain", {"{{network}}": newest("last_update_age_seconds", "network")}, "s"),
            Chart(
                "Largest deviation",
                {"{{network}}": f"max by (network) (abs(price_change_percent{{{HERE}}}))"},
                "percent",
            ),
        ],
        by_network=False,
    ),
    Board(
        "network",
        "Pyth keeper: network",
        "One network: its feeds, its pushes, its account.",
        [
            Number("Ready", newest("keeper_ready", where=NETWORK), good="above 1"),
            Number("Event-driven", newest("keeper_event_driven", where=NETWORK)),
            Number("In policy, last hour", f"min(keeper_in_policy_ratio{{{NETWORK}}})", "percentunit"),
            Number("Oldest transaction waits", newest("keeper_longest_wait_seconds", where=NETWORK), "s"),
        ],
        [
            Chart("Deviation", {"{{feed}}": newest("price_change_percent", "feed", where=NETWORK)}, "percent"),
            Chart("Age on chain", {"{{feed}}": newest("last_update_age_seconds", "feed", where=NETWORK)}, "s"),
            Chart("Writes of ours an hour", {"{{feed}}": hourly("keeper_feed_writes_total", "feed", where=NETWORK)}),
            Chart("Writes of others an hour", {"{{feed}}": hourly("keeper_rival_writes_total", "feed", where=NETWORK)}),
            Chart("Pushes an hour", {"{{outcome}}": hourly("price_updates_total", "outcome", where=NETWORK)}),
            Chart("Why feeds were due", {"{{reason}}": hourly("keeper_feeds_planned_total", "reason", where=NETWORK)}),
            Chart(
                "Retries and replacements an hour",
                {
                    "retries": hourly("keeper_push_retries_total", where=NETWORK),
                    "replacements": hourly("keeper_replacements_total", where=NETWORK),
                },
            ),
            Chart("Feeds by state", {"{{state}}": f"sum by (state) (keeper_feed_state{{{NETWORK}}})"}),
            Chart(
                "Prices",
                {
                    "{{feed}} source": newest("keeper_source_price", "feed", where=NETWORK),
                    "{{feed}} on chain": newest("keeper_on_chain_price", "feed", where=NETWORK),
                },
            ),
            Chart("Nonce", {"{{network}}": newest("keeper_nonce", "network", where=NETWORK)}),
        ],
    ),
    Board(
        "cost",
        "Pyth keeper: cost",
        "What it spends, and for how long the accounts last. Amounts in the chain's own coin.",
        [
            Number("Spent today", f"sum({newest('keeper_spent_today_wei', 'network', where=NETWORK)}) / 1e18"),
            Number("Balance, lowest", f"min(keeper_balance_wei{{{NETWORK}}}) / 1e18", good="above 1"),
            Number("Runway, shortest", f"min(keeper_runway_seconds{{{NETWORK}}})", "s", good="above 86400"),
            Number("Gas of the last push, gwei", newest("gas_cost_gwei", where=NETWORK)),
        ],
        [
            Chart("Balance", {"{{network}}": f"{newest('keeper_balance_wei', 'network', where=NETWORK)} / 1e18"}),
            Chart(
                "Spent an hour",
                {
                    "{{network}} {{kind}}": hourly("keeper_spent_wei_total", "network", "kind", where=NETWORK)
                    + " / 1e18"
                },
            ),
            Chart(
                "Day's budget, and what is spent of it",
                {
                    "{{network}} spent": f"{newest('keeper_spent_today_wei', 'network', where=NETWORK)} / 1e18",
                    "{{network}} budget": f"{newest('keeper_daily_budget_wei', 'network', where=NETWORK)} / 1e18",
                },
            ),
            Chart(
                "Fee cap and tip that a push would offer, gwei",
                {
                    "{{network}} fee cap": f"{newest('keeper_fee_cap_wei', 'network', where=NETWORK)} / 1e9",
                    "{{network}} tip": f"{newest('keeper_tip_wei', 'network', where=NETWORK)} / 1e9",
                },
            ),
            Chart(
                "Mode of spending",
                {"{{network}} {{mode}}": newest("keeper_spend_mode", "network", "mode", where=NETWORK)},
            ),
            Chart(
                "Paid without writing anything, pushes an hour",
                {
                    "{{network}} {{outcome}}": hourly(
                        "price_updates_total",
                        "network",
                        "outcome",
                        where=f'{NETWORK},outcome=~"nothing_newer|lost_race|reverted|cancelled"',
                    )
                },
            ),
        ],
    ),
    Board(
        "sources-and-rpc",
        "Pyth keeper: sources and RPC",
        "Where prices come from, and the nodes that are talked to.",
        [
            Number("Streams open", f"sum(max by (source) (sse_connection_status{{{HERE}}}))", good="above 1"),
            Number(
                "Since the last event", f"min(keeper_source_last_event_age_seconds{{{HERE}}})", "s", good="below 30"
            ),
            Number("RPC requests, last hour", f"sum(keeper_rpc_requests_last_hour{{{NETWORK}}})"),
            Number(
                "Of plain polling",
                f"sum(keeper_rpc_requests_last_hour{{{NETWORK}}})"
                f" / sum(keeper_rpc_plain_polling_per_hour{{{NETWORK}}})",
                "percentunit",
            ),
        ],
        [
            Chart(
                "Events a second",
                {"{{source}}": each_second("keeper_source_events_total", "source")},
            ),
            Chart(
                "Since the last event",
                {"{{source}}": f"min by (source) (keeper_source_last_event_age_seconds{{{HERE}}})"},
                "s",
            ),
            Chart("State of the sources", {"{{source}} {{state}}": newest("keeper_source_state", "source", "state")}),
            Chart(
                "Problems and reconnects an hour",
                {
                    "{{source}} problems": hourly("keeper_source_problems_total", "source"),
                    "{{source}} reconnects": hourly("keeper_source_reconnects_total", "source"),
                },
            ),
            Chart(
                "RPC requests an hour",
                {"{{network}} {{method}}": hourly("keeper_rpc_requests_total", "network", "method", where=NETWORK)},
            ),
            Chart(
                "RPC requests, p99",
                {
                    "{{network}} {{endpoint}}": quantile(
                        0.99, "keeper_rpc_request_seconds", "network", "endpoint", where=NETWORK
                    )
                },
                "s",
            ),
            Chart(
                "Endpoints up",
                {"{{network}} {{endpoint}}": newest("keeper_rpc_endpoint_up", "network", "endpoint", where=NETWORK)},
            ),
            Chart(
                "Blocks behind",
                {
                    "{{network}} {{endpoint}}": newest(
                        "keeper_rpc_endpoint_lag_blocks", "network", "endpoint", where=NETWORK
                    )
                },
            ),
            Chart(
                "Trust in sources",
                {
                    "{{network}} {{source}} {{state}}": newest(
                        "keeper_source_trust", "network", "source", "state", where=NETWORK
                    )
                },
            ),
            Chart(
                "CPU of the keeper",
                {"{{instance}}": f"rate(process_cpu_seconds_total{{{KEEPER}}}[$__rate_interval])"},
                "percentunit",
            ),
            Chart("Memory of the keeper", {"{{instance}}": f"process_resident_memory_bytes{{{KEEPER}}}"}, "bytes"),
        ],
    ),
    Board(
        "streaming",
        "Pyth keeper: streaming",
        "Who listens to the event streams, and what they are told.",
        [
            Number("Events are told", f"min(keeper_event_streaming_up{{{HERE}}})", good="above 1"),
            Number("Clients by WebSocket", f"sum(keeper_websocket_connections{{{HERE}}})", good="below 8000"),
            Number("Clients by server-sent events", f"sum(keeper_sse_connections{{{HERE}}})", good="below 8000"),
            Number("Clients cut off, last hour", f"sum(increase(keeper_stream_clients_cut_off_total{{{HERE}}}[1h]))"),
            Number("Events lost, last hour", f"sum(increase(keeper_events_lost_total{{{HERE}}}[1h]))", good="below 1"),
        ],
        [
            Chart(
                "Events a second",
                {"{{type}}": each_second("keeper_events_emitted_total", "type")},
            ),
            Chart(
                "Messages sent a second",
                {
                    "WebSocket": each_second("keeper_websocket_messages_sent_total"),
                    "server-sent events": each_second("keeper_sse_messages_sent_total"),
                },
            ),
            Chart(
                "Clients",
                {
                    "{{instance}} WebSocket": newest("keeper_websocket_connections", "instance"),
                    "{{instance}} server-sent events": newest("keeper_sse_connections", "instance"),
                },
            ),
            Chart(
                "Messages that slow clients lost, a second",
                {"{{priority}}": each_second("keeper_stream_messages_dropped_total", "priority")},
            ),
            Chart(
                "Event to acceptance by a node, p99",
                {"{{network}}": quantile(0.99, "keeper_send_latency_seconds", "network")},
                "s",
                about="The streams must not slow it, however many listen.",
            ),
            Chart("Open files of the keeper", {"{{instance}}": f"process_open_fds{{{KEEPER}}}"}),
        ],
        by_network=False,
    ),
)
