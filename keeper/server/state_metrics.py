"""Metrics that are values of the state: rendered from one snapshot, so that they agree with each other and /status."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from keeper.domain.budget import SpendLimit, SpendMode
from keeper.domain.price import Price, usable
from keeper.domain.sightings import Origin
from keeper.domain.status import (
    FeedStatus,
    KeeperStatus,
    NetworkStatus,
    SourceState,
    SourceStatus,
    SourceTrust,
    TrustState,
)
from keeper.domain.transaction import Outcome
from keeper.domain.units import MILLION
from keeper.server.exposition import Family, Kind, Sample, labels
from keeper.server.monitoring import PLAIN_POLLS_PER_HOUR
from keeper.server.pacing import paced

T = TypeVar("T")

_PPM_PER_PERCENT = 10_000


@dataclass(frozen=True, slots=True)
class Measure(Generic[T]):
    """One number of a subject at a time; None where there is nothing to tell."""

    name: str
    kind: Kind
    help: str
    of: Callable[[T, float], float | None]

    def family(self, subjects: Sequence[tuple[str, T]], now: float) -> Family:
        """The samples of labelled subjects."""
        samples = ((labelled, self.of(subject, now)) for labelled, subject in subjects)
        return Family(
            self.name, self.kind, self.help, ((labelled, value) for labelled, value in samples if value is not None)
        )


@dataclass(frozen=True, slots=True)
class Breakdown(Generic[T]):
    """Numbers of a subject by one more label."""

    name: str
    kind: Kind
    help: str
    label: str
    of: Callable[[T], Mapping[str, float]]

    def family(self, subjects: Sequence[tuple[str, T]]) -> Family:
        """The samples of labelled subjects."""
        return Family(self.name, self.kind, self.help, self._samples(subjects))

    def _samples(self, subjects: Sequence[tuple[str, T]]) -> Iterator[Sample]:
        for labelled, subject in subjects:
            for key, value in self.of(subject).items():
                yield f"{labelled},{labels(**{self.label: key})}", value


def _float(price: Price | None) -> float | None:
    return float(f"{price.price}e{price.expo}") if price is not None and usable(price) else None


def _age(price: Price | None, now: float) -> float | None:
    return None if price is None else now - price.publish_time


SOURCE_MEASURES: tuple[Measure[SourceStatus], ...] = (
    Measure(
        "sse_connection_status",
        "gauge",
        "Whether a price stream is open and delivers events (1) or not (0).",
        lambda source, _: int(source.connected),
    ),
    Measure(
        "keeper_source_last_event_age_seconds",
        "gauge",
        "Time since the last price event of a source, streamed or polled.",
        lambda source, now: None if source.last_event_at is None else now - source.last_event_at,
    ),
    Measure("keeper_source_events_total", "counter", "Price events of a source.", lambda source, _: source.events),
    Measure(
        "keeper_source_reconnects_total",
        "counter",
        "Times a price stream was opened again.",
        lambda source, _: source.reconnects,
    ),
)
SOURCE_BREAKDOWNS: tuple[Breakdown[SourceStatus], ...] = (
    Breakdown(
        "keeper_source_state",
        "gauge",
        "1 for the state a source is in, 0 for all others.",
        "state",
        lambda source: {state.value: int(state is source.state) for state in SourceState},
    ),
)
NETWORK_MEASURES: tuple[Measure[NetworkStatus], ...] = (
    Measure(
        "keeper_ready",
        "gauge",
        "Whether the chain was read and prices flow (1) or not (0).",
        lambda network, _: int(network.ready),
    ),
    Measure(
        "keeper_dry_run",
        "gauge",
        "Whether pushes are only decided (1) or sent (0).",
        lambda network, _: int(network.dry_run),
    ),
    Measure(
        "keeper_paused",
        "gauge",
        "Whether an operator has paused pushing (1) or not (0).",
        lambda network, _: int(network.pause is not None),
    ),
    Measure(
        "keeper_leader",
        "gauge",
        "Whether this keeper sends for the account (1) or stands by (0).",
        lambda network, _: int(network.leadership.held),
    ),
    Measure(
        "keeper_leader_epoch",
        "gauge",
        "Times that the account was taken over, as far as this keeper knows.",
        lambda network, _: network.leadership.epoch,
    ),
    Measure(
        "keeper_event_driven",
        "gauge",
        "Whether the chain tells what happens by itself (1) or is polled (0).",
        lambda network, _: int(network.following.live),
    ),
    Measure(
        "keeper_chain_heads_total",
        "counter",
        "Blocks that were told.",
        lambda network, _: network.following.sightings.heads,
    ),
    Measure(
        "keeper_chain_taken_back_total",
        "counter",
        "Writes and prices that a reorganisation took back.",
        lambda network, _: network.following.sightings.taken_back,
    ),
    Measure(
        "keeper_rpc_requests_last_hour",
        "gauge",
        "JSON-RPC requests of the last hour.",
        lambda network, _: sum(network.following.calls_last_hour.values()),
    ),
    Measure(
        "keeper_rpc_plain_polling_per_hour",
        "gauge",
        "JSON-RPC requests that asking for each feed every 5 seconds would take.",
        lambda network, _: PLAIN_POLLS_PER_HOUR * len(network.feeds),
    ),
    Measure("keeper_block_number", "gauge", "The block of the last read.", lambda network, _: network.block),
    Measure("keeper_balance_wei", "gauge", "Balance of the account.", lambda network, _: network.balance),
    Measure("keeper_nonce", "gauge", "The next nonce to be used.", lambda network, _: network.nonce),
    Measure("keeper_in_flight", "gauge", "Pushes sent and not yet resolved.", lambda network, _: network.in_flight),
    Measure(
        "keeper_longest_wait_seconds",
        "gauge",
        "How long the oldest transaction that a node may hold has not been mined; 0 while there is none.",
        lambda network, _: network.longest_wait_s,
    ),
    Measure(
        "keeper_replacements_total",
        "counter",
        "Transactions that outbid an earlier one with the same nonce.",
        lambda network, _: network.replacements,
    ),
    Measure(
        "keeper_consecutive_failures",
        "gauge",
        "Pushes that failed in a row until now.",
        lambda network, _: network.consecutive_failures,
    ),
    Measure(
        "keeper_last_push_timestamp_seconds",
        "gauge",
        "Unix time of the last push.",
        lambda network, _: network.last_push_at,
    ),
    Measure(
        "keeper_spent_today_wei",
        "gauge",
        "What pushes took from the account since midnight UTC.",
        lambda network, _: network.spending.spent_today,
    ),
    Measure(
        "keeper_daily_budget_wei",
        "gauge",
        "What pushes may take from the account on one day (UTC).",
        lambda network, _: network.spending.daily_budget,
    ),
    Measure(
        "keeper_runway_seconds",
        "gauge",
        "How long the balance lasts at the burn of the last day.",
        lambda network, _: network.spending.runway_s,
    ),
    Measure(
        "keeper_fee_cap_wei",
        "gauge",
        "The most that a push would pay for a unit of gas.",
        lambda network, _: network.spending.fee_cap,
    ),
    Measure(
        "keeper_in_policy_ratio",
        "gauge",
        "Share of the last hour, over all feeds, in which the prices on chain kept their policies.",
        lambda network, _: None if network.in_policy.last_hour is None else network.in_policy.last_hour / MILLION,
    ),
    Measure("keeper_tip_wei", "gauge", "The tip that a push would offer.", lambda network, _: network.spending.tip),
)
NETWORK_BREAKDOWNS: tuple[Breakdown[NetworkStatus], ...] = (
    Breakdown(
        "price_updates_total",
        "counter",
        "Pushes by how they ended; only confirmed ones wrote something.",
        "outcome",
        lambda network: {outcome.value: network.pushes.get(outcome, 0) for outcome in Outcome},
    ),
    Breakdown(
        "keeper_spent_wei_total",
        "counter",
        "What pushes took from the account.",
        "kind",
        lambda network: {"gas": network.spent_gas, "update_fee": network.spent_update_fees},
    ),
    Breakdown(
        "keeper_spend_mode",
        "gauge",
        "1 for the mode of spending that a network is in, 0 for all others.",
        "mode",
        lambda network: {mode.value: int(mode is network.spending.allowance.mode) for mode in SpendMode},
    ),
    Breakdown(
        "keeper_spend_limit",
        "gauge",
        "1 for the limit that keeps a network from spending freely, 0 for all others.",
        "limit",
        lambda network: {limit.value: int(limit is network.spending.allowance.limit) for limit in SpendLimit},
    ),
    Breakdown(
        "keeper_chain_updates_total",
        "counter",
        "Prices that were seen to be new on chain, by whose transaction stored them.",
        "by",
        lambda network: {origin.value: network.following.sightings.counts[origin] for origin in Origin},
    ),
    Breakdown(
        "keeper_rpc_requests_total",
        "counter",
        "JSON-RPC requests by method.",
        "method",
        lambda network: network.rpc_calls,
    ),
)
FEED_MEASURES: tuple[Measure[FeedStatus], ...] = (
    Measure(
        "price_change_percent",
        "gauge",
        "Deviation of the source price from the on-chain price.",
        lambda feed, _: None if feed.deviation_ppm is None else feed.deviation_ppm / _PPM_PER_PERCENT,
    ),
    Measure(
        "last_update_age_seconds",
        "gauge",
        "Age of the on-chain price by the wall clock.",
        lambda feed, now: _age(feed.on_chain, now),
    ),
    Measure(
        "keeper_source_price_age_seconds",
        "gauge",
        "Age of the source price by the wall clock; it grows while a market is closed.",
        lambda feed, now: _age(feed.source, now),
    ),
    Measure(
        "keeper_out_of_policy_seconds_total",
        "counter",
        "Time in which the price on chain did not keep its policy.",
        lambda feed, _: feed.out_of_policy_s,
    ),
    Measure(
        "keeper_rival_writes_total",
        "counter",
        "Times that somebody else wrote the feed.",
        lambda feed, _: feed.rival_writes,
    ),
    Measure("keeper_source_price", "gauge", "The source price.", lambda feed, _: _float(feed.source)),
    Measure("keeper_on_chain_price", "gauge", "The on-chain price.", lambda feed, _: _float(feed.on_chain)),
)


_TRUST_STATE: Breakdown[SourceTrust] = Breakdown(
    "keeper_source_trust",
    "gauge",
    "1 for what a network makes of a source, 0 for all else.",
    "state",
    lambda row: {state.value: int(state is row.state) for state in TrustState},
)


async def state_families(status: KeeperStatus) -> list[Family]:
    """Every family, its samples still to be computed."""
    now = status.now
    sources = [(labels(source=source.name), source) for source in status.sources]
    networks = [(labels(network=network.name), network) for network in status.networks]
    trust = [
        (labels(network=network.name, source=row.source), row) for network in status.networks for row in network.trust
    ]
    feeds = await paced(
        (labels(network=network.name, feed=feed.alias), feed) for network in status.networks for feed in network.feeds
    )
    told = [] if status.health_told_at is None else [("", status.health_told_at)]
    return [
        Family("keeper_build_info", "gauge", "The version.", [(labels(version=status.version), 1)]),
        Family("keeper_health_line_timestamp_seconds", "gauge", "When the health line was last logged.", told),
        Family("keeper_tasks", "gauge", "Tasks of the event loop.", [("", len(asyncio.all_tasks()))]),
        Family(
            "keeper_config_valid",
            "gauge",
            "1, or 0 while the settings cannot be read anew.",
            [("", int(not status.config.trouble))],
        ),
        Family("keeper_network_info", "gauge", "Chain, contract and account.", map(_network_info, status.networks)),
        *(measure.family(sources, now) for measure in SOURCE_MEASURES),
        *(breakdown.family(sources) for breakdown in SOURCE_BREAKDOWNS),
        *(measure.family(networks, now) for measure in NETWORK_MEASURES),
        *(breakdown.family(networks) for breakdown in NETWORK_BREAKDOWNS),
        _TRUST_STATE.family(trust),
        *(measure.family(feeds, now) for measure in FEED_MEASURES),
        Family(
            "keeper_feed_state",
            "gauge",
            "1 for the state that a feed is in at its sources.",
            ((f"{labelled},{labels(state=feed.state.value)}", 1) for labelled, feed in feeds),
        ),
    ]


def _network_info(network: NetworkStatus) -> Sample:
    chain_id = str(network.chain_id or "")
    return labels(network=network.name, chain_id=chain_id, contract=network.contract, account=network.account), 1
