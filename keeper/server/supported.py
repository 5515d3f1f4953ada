"""What /supported answers: which networks and feeds are kept fresh, and whether they are."""

import msgspec

from keeper.domain.status import KeeperStatus, NetworkStatus
from keeper.server.health import Level, network_health


class SupportedFeed(msgspec.Struct, frozen=True, gc=False):
    """One feed."""

    id: str
    alias: str


class SupportedNetwork(msgspec.Struct, frozen=True):
    """One network, and how it does by itself."""

    name: str
    chain_id: int | None
    """None until the chain has told it."""
    contract: str
    account: str
    dry_run: bool
    state: Level
    why: str
    feeds: list[SupportedFeed]


class SupportedView(msgspec.Struct, frozen=True):
    """All networks."""

    networks: list[SupportedNetwork]


def supported_view(status: KeeperStatus) -> SupportedView:
    """The networks of the keeper."""
    return SupportedView([_network(network) for network in status.networks])


def _network(network: NetworkStatus) -> SupportedNetwork:
    component = network_health(network)
    return SupportedNetwork(
        name=network.name,
        chain_id=network.chain_id,
        contract=network.contract,
        account=network.account,
        dry_run=network.dry_run,
        state=component.status,
        why=component.why,
        feeds=[SupportedFeed(id=feed.feed_id, alias=feed.alias) for feed in network.feeds],
    )
