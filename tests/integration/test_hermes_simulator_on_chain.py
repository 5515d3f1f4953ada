"""The devnet contract accepts the simulator's updates, whoever signs them, and refuses forged ones."""

import pytest

from keeper.lab.hermes import HermesSimulator, SimulatorConfig
from keeper.lab.hermes.signers import devnet_signer_keys
from tests.support.hermes import LATEST, asking, get, running
from tests.support.node import Node
from tests.support.pyth_contract import ChainPrice, PythContract, Terms


async def latest(simulator: HermesSimulator) -> tuple[list[bytes], dict[str, ChainPrice]]:
    """Update data of all feeds, and the prices that it should put on chain."""
    answer = (await get(simulator.url, asking(LATEST, simulator.feed_ids))).json()
    prices = {
        parsed["id"]: ChainPrice(
            int(parsed["price"]["price"]),
            int(parsed["price"]["conf"]),
            parsed["price"]["expo"],
            parsed["price"]["publish_time"],
        )
        for parsed in answer["parsed"]
    }
    return [bytes.fromhex(text) for text in answer["binary"]["data"]], prices


@pytest.mark.parametrize(("count", "quorum"), [(1, 1), (5, 3), (19, 13)])
async def test_the_contract_takes_every_price_of_an_update(node: Node, count: int, quorum: int) -> None:
    config = SimulatorConfig(interval_ms=0, feeds=12, signer_keys=devnet_signer_keys(count), quorum=quorum)
    async with running(config) as simulator:
        contract = await PythContract.deploy(node, Terms(signers=simulator.signers, quorum=quorum))
        await simulator.control({"action": "jump", "feed": "EUR/USD", "price": "1.23456"})
        blobs, prices = await latest(simulator)
        assert (await contract.update(*blobs)).succeeded
        assert {feed_id: await contract.price(feed_id) for feed_id in simulator.feed_ids} == prices
        assert prices[simulator.feed_ids[3]].price == 123_456
        await simulator.control({"action": "forge"})
        simulator.publish()
        forged, _ = await latest(simulator)
        assert await contract.refusals(forged) == ["InvalidWormholeVaa"]


async def test_the_contract_takes_prices_of_two_slots_at_once(node: Node) -> None:
    async with running(SimulatorConfig(interval_ms=0, feeds=4)) as simulator:
        contract = await PythContract.deploy(node, Terms(signers=simulator.signers, quorum=1))
        simulator.publish()
        await simulator.control({"action": "split_slots"})
        blobs, prices = await latest(simulator)
        assert len(blobs) == 2
        assert (await contract.update(*blobs)).succeeded
        assert {feed_id: await contract.price(feed_id) for feed_id in simulator.feed_ids} == prices
