"""The document of /monitoring/status."""

from keeper.domain.sightings import Origin, Sightings, StateUpdate
from keeper.domain.status import Following
from keeper.server.monitoring import StateUpdateView, monitoring
from tests.support.status import BTC, NEW_FEED, with_network


def sightings(*origins: Origin) -> Sightings:
    seen = Sightings()
    for number, origin in enumerate(origins):
        seen.add(StateUpdate(BTC.feed_id, 1_700_000_000 + number, 40 + number, origin, 1_700_000_001.25 + number))
    return seen


def test_tells_whose_prices_came_and_what_it_cost() -> None:
    seen = sightings(Origin.SELF, Origin.SELF, Origin.OTHER)
    seen.heads, seen.events, seen.taken_back = 9, 3, 1
    following = Following(
        mode="event-driven + 300000ms fallback",
        live=True,
        interval_s=300.0,
        sightings=seen,
        calls_last_hour={"eth_call": 12, "eth_feeHistory": 1},
    )
    (network,) = monitoring(with_network(following=following)).networks
    assert (network.mode, network.live, network.interval_ms) == ("event-driven + 300000ms fallback", True, 300_000)
    assert (network.feeds_tracked, network.feeds_never_pushed) == (2, 1)
    assert (network.heads, network.price_events, network.taken_back) == (9, 3, 1)
    assert network.updates == {"self": 2, "other": 1}
    assert network.updates_by_feed == {BTC.alias: {"self": 2, "other": 1}}
    assert network.recent_updates[0] == StateUpdateView(
        feed=BTC.alias, id=BTC.feed_id, publish_time=1_700_000_002, block=42, by=Origin.OTHER, at=1_700_000_003.25
    )
    assert network.rpc.calls == {"eth_sendRawTransaction": 11, "eth_call": 3}
    assert network.rpc.calls_last_hour_total == 13
    assert network.rpc.notifications == 5
    assert network.rpc.plain_polling_per_hour == 2 * 720


def test_remembers_the_last_twenty_updates() -> None:
    following = Following(sightings=sightings(*[Origin.SELF] * 25))
    (network,) = monitoring(with_network(following=following)).networks
    assert [update.block for update in network.recent_updates] == list(range(64, 44, -1))
    assert network.updates == {"self": 25, "other": 0}
    assert NEW_FEED.alias not in network.updates_by_feed
