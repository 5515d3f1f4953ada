"""The text of /metrics, as Prometheus' own parser reads it."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from keeper.domain.events import (
    ChainReadFailed,
    Event,
    LeadershipGained,
    LeadershipLost,
    PushFinished,
    PushPlanned,
    PushRetried,
    PushSent,
    SourceConnected,
    SourceLost,
    SourceProblem,
)
from keeper.domain.fees import Cost
from keeper.domain.policy import Reason
from keeper.domain.price import Price
from keeper.domain.status import EndpointState, EndpointStatus, KeeperStatus, SourceState
from keeper.domain.transaction import Outcome
from keeper.domain.units import Gas, Wei
from keeper.server.event_metrics import EventMetrics
from keeper.server.metrics import metrics_text
from tests.support.status import BTC, KEEPER, NETWORK, NEW_FEED, SOURCE, feed_id, with_feeds, with_network, with_source

SENT = PushSent(
    network="devnet",
    push=1,
    nonce=11,
    tx_hash=b"\x01" * 32,
    feeds=(BTC.feed_id,),
    endpoint="rpc-1",
    event_to_sent_s=0.004,
)
OK_REQUESTS = {"network": "devnet", "endpoint": "rpc-1", "outcome": "ok"}
CONFIRMED = PushFinished(
    network="devnet",
    push=1,
    outcome=Outcome.CONFIRMED,
    feeds=(BTC.feed_id, NEW_FEED.feed_id),
    written=(BTC.feed_id,),
    retries=0,
    gas_used=Gas(100_000),
    gas_price=Wei(2_000_000_000),
    cost=Cost(gas=Wei(200_000_000_000_000), update_fee=Wei(1)),
    latency_s=0.03,
)
FAILED = PushFinished(
    network="devnet", push=2, outcome=Outcome.FAILED, feeds=(BTC.feed_id,), written=(), retries=3, detail="no endpoint"
)


async def text(status: KeeperStatus = KEEPER, *, events: Iterable[Event] = ()) -> str:
    counted = EventMetrics()
    for event in events:
        counted(event)
    return (await metrics_text(status, counted)).decode()


async def families(status: KeeperStatus = KEEPER, *, events: Iterable[Event] = ()) -> dict[str, Metric]:
    """By exposed name."""
    parsed = text_string_to_metric_families(await text(status, events=events))
    return {family.name + ("_total" if family.type == "counter" else ""): family for family in parsed}


async def value(
    name: str, labels: dict[str, str], status: KeeperStatus = KEEPER, *, events: Iterable[Event] = ()
) -> float | None:
    """The one sample of this name and these labels, or None where there is none."""
    everything = [sample for family in (await families(status, events=events)).values() for sample in family.samples]
    found = [sample.value for sample in everything if sample.name == name and sample.labels == labels]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("price_updates_total", "counter"),
        ("tx_latency_seconds", "histogram"),
        ("price_change_percent", "gauge"),
        ("sse_connection_status", "gauge"),
        ("gas_cost_gwei", "gauge"),
        ("last_update_age_seconds", "gauge"),
    ],
)
async def test_has_the_metrics_that_dashboards_rely_on(name: str, kind: str) -> None:
    family = (await families(events=[CONFIRMED]))[name]
    assert family.type == kind
    assert family.samples
    assert family.documentation


async def test_prefixes_all_other_metrics() -> None:
    others = set(await families()) - {
        "price_updates_total",
        "tx_latency_seconds",
        "price_change_percent",
        "sse_connection_status",
        "gas_cost_gwei",
        "last_update_age_seconds",
    }
    assert {name for name in others if not name.startswith(("keeper_", "process_", "python_gc_"))} == set()


async def test_shows_no_family_twice_and_no_creation_times() -> None:
    heads = [line.split()[2] for line in (await text(events=[SENT, CONFIRMED])).splitlines() if "# TYPE" in line]
    assert len(heads) == len(set(heads))
    assert not [name for name in heads if name.endswith("_created")]


async def test_counts_pushes_by_outcome_from_zero() -> None:
    samples = (await families())["price_updates_total"].samples
    counts = {sample.labels["outcome"]: sample.value for sample in samples}
    assert counts == {outcome.value: 0 for outcome in Outcome} | {"confirmed": 10, "nothing_newer": 1}


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("price_change_percent", {"network": "devnet", "feed": "BTC/USD"}, 0.0999),
        ("last_update_age_seconds", {"network": "devnet", "feed": "BTC/USD"}, 12.25),
        ("keeper_source_price_age_seconds", {"network": "devnet", "feed": "BTC/USD"}, 1.25),
        ("keeper_source_price", {"network": "devnet", "feed": "BTC/USD"}, 61_409.93501),
        ("keeper_on_chain_price", {"network": "devnet", "feed": "BTC/USD"}, 61_348.59),
        ("keeper_feed_writes_total", {"network": "devnet", "feed": "BTC/USD"}, 0),
        ("price_change_percent", {"network": "devnet", "feed": "NEW/USD"}, None),
        ("last_update_age_seconds", {"network": "devnet", "feed": "NEW/USD"}, None),
        ("keeper_source_price", {"network": "devnet", "feed": "NEW/USD"}, None),
        ("sse_connection_status", {"source": "hermes"}, 1),
        ("keeper_source_events_total", {"source": "hermes"}, 4_321),
        ("keeper_source_reconnects_total", {"source": "hermes"}, 2),
        ("keeper_source_last_event_age_seconds", {"source": "hermes"}, 0.25),
        ("keeper_source_state", {"source": "hermes", "state": "streaming"}, 1),
        ("keeper_source_state", {"source": "hermes", "state": "unauthorized"}, 0),
        ("keeper_spent_wei_total", {"network": "devnet", "kind": "gas"}, 123_456_789_000_000),
        ("keeper_spent_wei_total", {"network": "devnet", "kind": "update_fee"}, 11),
        ("keeper_balance_wei", {"network": "devnet"}, 1.5e18),
        ("keeper_nonce", {"network": "devnet"}, 12),
        ("keeper_in_flight", {"network": "devnet"}, 1),
        ("keeper_replacements_total", {"network": "devnet"}, 3),
        ("keeper_ready", {"network": "devnet"}, 1),
        ("keeper_dry_run", {"network": "devnet"}, 0),
        ("keeper_consecutive_failures", {"network": "devnet"}, 0),
        ("keeper_block_number", {"network": "devnet"}, 77),
        ("keeper_rpc_requests_total", {"network": "devnet", "method": "eth_call"}, 3),
        ("keeper_rpc_endpoint_up", {"network": "devnet", "endpoint": "rpc-1"}, 1),
        ("keeper_rpc_endpoint_state", {"network": "devnet", "endpoint": "rpc-2", "state": "half_open"}, 1),
        ("keeper_rpc_endpoint_state", {"network": "devnet", "endpoint": "rpc-2", "state": "healthy"}, 0),
        ("keeper_rpc_endpoint_lag_blocks", {"network": "devnet", "endpoint": "rpc-2"}, 1),
        ("keeper_rpc_endpoint_latency_seconds", {"network": "devnet", "endpoint": "rpc-1"}, 0.0123456),
        ("keeper_rpc_endpoint_latency_seconds", {"network": "devnet", "endpoint": "rpc-2"}, None),
        ("keeper_rpc_notifications_total", {"network": "devnet", "endpoint": "rpc-1"}, 5),
        ("keeper_rpc_request_seconds_bucket", OK_REQUESTS | {"le": "0.0025"}, 0),
        ("keeper_rpc_request_seconds_bucket", OK_REQUESTS | {"le": "0.005"}, 3),
        ("keeper_rpc_request_seconds_bucket", OK_REQUESTS | {"le": "0.01"}, 4),
        ("keeper_rpc_request_seconds_bucket", OK_REQUESTS | {"le": "+Inf"}, 4),
        ("keeper_rpc_request_seconds_count", OK_REQUESTS, 4),
        ("keeper_rpc_request_seconds_sum", OK_REQUESTS, 0.021),
        ("keeper_build_info", {"version": "0.1.0"}, 1),
    ],
)
async def test_shows_the_state(name: str, labels: dict[str, str], expected: float | None) -> None:
    assert await value(name, labels) == expected


@pytest.mark.parametrize(
    ("name", "status", "labels", "expected"),
    [
        ("sse_connection_status", with_source(state=SourceState.DOWN, connected=False), {"source": "hermes"}, 0),
        (
            "keeper_rpc_endpoint_up",
            with_network(endpoints=(EndpointStatus("rpc-1", EndpointState.RESTING, "timed out"),)),
            {"network": "devnet", "endpoint": "rpc-1"},
            0,
        ),
        ("keeper_balance_wei", with_network(balance=None), {"network": "devnet"}, None),
    ],
)
async def test_shows_what_is_down_or_unknown(
    name: str, status: KeeperStatus, labels: dict[str, str], expected: float | None
) -> None:
    assert await value(name, labels, status) == expected


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("tx_latency_seconds_count", {"network": "devnet"}, 1),
        ("tx_latency_seconds_sum", {"network": "devnet"}, 0.03),
        ("keeper_send_latency_seconds_bucket", {"network": "devnet", "le": "0.003"}, 0),
        ("keeper_send_latency_seconds_bucket", {"network": "devnet", "le": "0.005"}, 1),
        ("gas_cost_gwei", {"network": "devnet"}, 200_000),
        ("keeper_feed_writes_total", {"network": "devnet", "feed": "BTC/USD"}, 1),
        ("keeper_feed_writes_total", {"network": "devnet", "feed": "NEW/USD"}, 0),
        ("keeper_push_retries_total", {"network": "devnet"}, 2),
        ("keeper_chain_read_failures_total", {"network": "devnet"}, 1),
        ("keeper_source_problems_total", {"source": "hermes"}, 1),
        ("keeper_leadership_changes_total", {"network": "devnet", "change": "gained"}, 2),
        ("keeper_leadership_changes_total", {"network": "devnet", "change": "given_back"}, 1),
        ("keeper_leadership_changes_total", {"network": "devnet", "change": "lost"}, 1),
        ("keeper_feeds_planned_total", {"network": "devnet", "reason": "deviation"}, 1),
        ("keeper_feeds_planned_total", {"network": "devnet", "reason": "joins_cheaper"}, 2),
    ],
)
async def test_counts_what_happens(name: str, labels: dict[str, str], expected: float) -> None:
    planned = PushPlanned(
        network="devnet",
        push=1,
        feeds=(
            (feed_id(1), Reason.DEVIATION),
            (feed_id(2), Reason.JOINS_CHEAPER),
            (feed_id(3), Reason.JOINS_CHEAPER),
        ),
        gas=Gas(100_000),
        update_fee=Wei(1),
        dry_run=False,
    )
    retried = PushRetried(network="devnet", push=2, attempt=1, error="timed out", delay_s=5)
    happened: list[Event] = [
        planned,
        SENT,
        CONFIRMED,
        retried,
        retried,
        FAILED,
        ChainReadFailed(network="devnet", error="timed out"),
        SourceProblem(source="hermes", problem="bad data"),
        LeadershipGained("devnet", "1-0xab", 1),
        LeadershipLost("devnet", "1-0xab", 1, "given back", planned=True),
        LeadershipGained("devnet", "1-0xab", 3),
        LeadershipLost("devnet", "1-0xab", 3, "too late", planned=False),
    ]
    assert await value(name, labels, events=happened) == expected


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("tx_latency_seconds_count", {"network": "devnet"}),
        ("keeper_send_latency_seconds_count", {"network": "devnet"}),
        ("keeper_push_retries_total", {"network": "devnet"}),
        ("keeper_chain_read_failures_total", {"network": "devnet"}),
        ("keeper_source_problems_total", {"source": "hermes"}),
        ("keeper_leadership_changes_total", {"network": "devnet", "change": "lost"}),
    ],
)
async def test_shows_zero_before_anything_happened(name: str, labels: dict[str, str]) -> None:
    assert await value(name, labels) == 0


async def test_shows_no_gas_cost_before_the_first_mined_push() -> None:
    assert await value("gas_cost_gwei", {"network": "devnet"}, events=[FAILED]) is None


async def test_minds_no_event_that_it_does_not_count() -> None:
    assert await text(events=[SourceConnected("hermes"), SourceLost("hermes", reason="ended")]) != ""


async def test_leaves_out_a_chain_id_that_is_not_known() -> None:
    (info,) = (await families(with_network(chain_id=None)))["keeper_network_info"].samples
    assert info.labels["chain_id"] == ""


async def test_escapes_label_values() -> None:
    odd = 'a "quoted"\\\nname'
    status = with_network(feeds=(replace(BTC, alias=odd),))
    assert await value("price_change_percent", {"network": "devnet", "feed": odd}, status) == 0.0999


@pytest.mark.parametrize("expo", [2**31 - 1, -(2**31)])
async def test_shows_no_price_with_a_hostile_exponent(expo: int) -> None:
    feed = replace(BTC, source=Price(price=1, conf=0, expo=expo, publish_time=1_759_999_999), deviation_ppm=None)
    status = with_network(feeds=(feed,))
    assert await value("keeper_source_price", {"network": "devnet", "feed": "BTC/USD"}, status) is None


async def test_keeps_networks_and_sources_apart() -> None:
    second = replace(NETWORK, name="second", pushes={Outcome.REVERTED: 2})
    status = replace(KEEPER, networks=(NETWORK, second), sources=(SOURCE, replace(SOURCE, name="other", events=7)))
    assert await value("price_updates_total", {"network": "second", "outcome": "reverted"}, status) == 2
    assert await value("price_updates_total", {"network": "devnet", "outcome": "reverted"}, status) == 0
    assert await value("keeper_source_events_total", {"source": "other"}, status) == 7


async def test_lets_the_event_loop_turn_while_feeds_are_many() -> None:
    turns = 0
    rendering = asyncio.create_task(metrics_text(with_feeds(2_000), EventMetrics()))
    while not rendering.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 6 * 2_000 / 50
