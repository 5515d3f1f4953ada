"""/supported lists what is kept fresh, and how each network does."""

from dataclasses import replace

from keeper.server.health import Level
from keeper.server.supported import SupportedFeed, supported_view
from tests.support.status import BTC, KEEPER, NETWORK


def test_lists_networks_with_contract_chain_account_feeds_and_state() -> None:
    second = replace(NETWORK, name="second", chain_id=None, ready=False, detail="no endpoint answers")
    well, ill = supported_view(replace(KEEPER, networks=(NETWORK, second))).networks
    assert (well.name, well.chain_id, well.contract, well.account) == (
        NETWORK.name,
        NETWORK.chain_id,
        NETWORK.contract,
        NETWORK.account,
    )
    assert (well.state, well.why) == (Level.HEALTHY, "is kept fresh")
    assert well.feeds[0] == SupportedFeed(id=BTC.feed_id, alias="BTC/USD")
    assert (ill.chain_id, ill.state, ill.why) == (None, Level.UNHEALTHY, "is not ready: no endpoint answers")
