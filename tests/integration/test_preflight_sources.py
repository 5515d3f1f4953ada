"""`keeper check` with several Hermes endpoints: each by itself, and what one lacks that another has."""

import pytest

from keeper.app.preflight import State
from keeper.lab.hermes.signers import impostor_keys
from tests.integration.test_preflight import World, feed_check, world
from tests.support.keeper_process import simulator_running

__all__ = ["world"]

pytestmark = pytest.mark.integration


async def test_every_endpoint_is_checked_and_a_push_tried_with_the_prices_of_each(world: World) -> None:
    async with simulator_running(feeds=3) as second:
        found = await world.checked(HERMES_URL=f"{world.simulator.url},{second.url}")
    names = [url.removeprefix("http://") for url in (world.simulator.url, second.url)]
    assert {each.state for each in found.findings.values()} == {State.OK}
    assert [check for check in found.findings if "127" in check and "rpc" not in check] == [
        *(f"hermes {name}" for name in names),
        f"simulated push ({names[1]})",
    ]


async def test_one_that_is_down_beside_a_good_one_is_a_warning(world: World, unused_tcp_port: int) -> None:
    found = await world.checked(HERMES_URL=f"http://127.0.0.1:{unused_tcp_port},{world.simulator.url}")
    assert found.failed() == []
    assert found.warned() == [f"hermes 127.0.0.1:{unused_tcp_port}"]
    assert "other endpoints stand in for it" in found.detail(f"hermes 127.0.0.1:{unused_tcp_port}")


async def test_one_whose_signers_the_contract_does_not_trust_is_named(world: World) -> None:
    async with simulator_running(feeds=3, signer_keys=impostor_keys(1)) as second:
        found = await world.checked(HERMES_URL=f"{world.simulator.url},{second.url}")
        check = f"simulated push ({second.url.removeprefix('http://')})"
    assert found.failed() == ["signer set", check]
    assert "InvalidWormholeVaa" in found.detail(check)


async def test_a_feed_that_only_one_of_them_serves_is_a_warning(world: World) -> None:
    async with simulator_running(feeds=3, not_entitled=frozenset({world.simulator.feed_ids[2]})) as second:
        found = await world.checked(HERMES_URL=f"{world.simulator.url},{second.url}")
    assert found.failed() == []
    assert found.warned() == [feed_check(world, 2)]
    assert "not covered by the API key" in found.detail(feed_check(world, 2))
