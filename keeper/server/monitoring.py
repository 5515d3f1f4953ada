"""How the keeper knows what is on chain, and what that costs: the answer of /monitoring/status."""

import msgspec

from keeper.domain.sightings import Origin
from keeper.domain.status import KeeperStatus, NetworkStatus

PLAIN_POLLS_PER_HOUR = 720
"""Of one feed, asked for every 5 seconds."""
_MS = 1000


class StateUpdateView(msgspec.Struct, frozen=True):
    """A price that was seen to be new on chain."""

    feed: str
    """Its alias."""
    id: str
    publish_time: int
    block: int
    by: Origin
    at: float
    """Unix seconds at which it was seen."""


class RpcView(msgspec.Struct, frozen=True):
    """JSON-RPC requests, and what came without any."""

    calls: dict[str, int]
    """By method, since the start."""
    calls_last_hour: dict[str, int]
    calls_last_hour_total: int
    notifications: int
    plain_polling_per_hour: int
    """What asking for each feed every 5 seconds would take."""


class MonitoringView(msgspec.Struct, frozen=True):
    """One network."""

    name: str
    mode: str
    live: bool
    interval_ms: int
    feeds_tracked: int
    feeds_never_pushed: int
    heads: int
    price_events: int
    taken_back: int
    updates: dict[str, int]
    """New prices by whose they are."""
    updates_by_feed: dict[str, dict[str, int]]
    """The same by alias; feeds without one are left out."""
    recent_updates: list[StateUpdateView]
    rpc: RpcView


class Monitoring(msgspec.Struct, frozen=True):
    """The answer."""

    networks: list[MonitoringView]


def monitoring(status: KeeperStatus) -> Monitoring:
    """As of now."""
    return Monitoring([_network(network) for network in status.networks])


def _network(network: NetworkStatus) -> MonitoringView:
    following = network.following
    seen = following.sightings
    aliases = {feed.feed_id: feed.alias for feed in network.feeds}
    by_feed: dict[str, dict[str, int]] = {}
    for (feed_id, origin), count in seen.by_feed.items():
        by_feed.setdefault(aliases.get(feed_id, feed_id), {each.value: 0 for each in Origin})[origin.value] = count
    return MonitoringView(
        name=network.name,
        mode=following.mode,
        live=following.live,
        interval_ms=round(following.interval_s * _MS),
        feeds_tracked=len(network.feeds),
        feeds_never_pushed=sum(feed.on_chain is None for feed in network.feeds),
        heads=seen.heads,
        price_events=seen.events,
        taken_back=seen.taken_back,
        updates={origin.value: seen.counts[origin] for origin in Origin},
        updates_by_feed=by_feed,
        recent_updates=[
            StateUpdateView(
                feed=aliases.get(update.feed_id, update.feed_id),
                id=update.feed_id,
                publish_time=update.publish_time,
                block=update.block,
                by=update.origin,
                at=round(update.at, 3),
            )
            for update in seen.recent
        ],
        rpc=RpcView(
            calls=dict(network.rpc_calls),
            calls_last_hour=dict(following.calls_last_hour),
            calls_last_hour_total=sum(following.calls_last_hour.values()),
            notifications=sum(endpoint.notifications for endpoint in network.endpoints),
            plain_polling_per_hour=PLAIN_POLLS_PER_HOUR * len(network.feeds),
        ),
    )
