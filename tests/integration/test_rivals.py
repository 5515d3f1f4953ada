"""Somebody else pushes to the same contract: who comes second pays half, and nothing is called a failure."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keeper.lab.anvil import Anvil
from tests.support.fault_world import PATIENCE_S, FaultWorld, Record, fault_world
from tests.support.node import Node
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

GWEI = 10**9
HALF_A_PUSH = 50_000


@pytest.fixture
async def world(anvil: Anvil, node: Node, tmp_path: Path, record_property: Record) -> AsyncIterator[FaultWorld]:
    async with fault_world(anvil, node, tmp_path, record_property) as built:
        yield built


async def outrun(world: FaultWorld) -> str:
    """Make a feed due, and send what the keeper sends from another account, for a higher tip; the keeper's hash."""
    await world.node.request("evm_setAutomine", False)
    await world.jump()
    await wait_until(world.waiting)
    (ours,) = await world.waiting()
    sent = await world.node.request("eth_getTransactionByHash", ours)
    rival = (await world.node.request("eth_accounts"))[1]
    fees = {"maxFeePerGas": hex(100 * GWEI), "maxPriorityFeePerGas": hex(50 * GWEI)}
    same = {"to": sent["to"], "data": sent["input"], "value": sent["value"], "gas": sent["gas"]}
    await world.node.request("eth_sendTransaction", {"from": rival, **same, **fees})
    await world.node.request("evm_setAutomine", True)
    await world.node.request("evm_mine")
    return str(ours)


@pytest.mark.parametrize("transport", ["http", "ws"])
async def test_a_lost_race_costs_half_and_is_no_failure(world: FaultWorld, transport: str) -> None:
    world.environ["RPC_URL"] = world.anvil.ws_url if transport == "ws" else world.anvil.url
    async with world.keeper(IF_NECESSARY="always") as keeper:
        ours = await outrun(world)
        await wait_until(lambda: keeper.told("push_lost_race"), timeout_s=PATIENCE_S)
        receipt = await world.node.request("eth_getTransactionReceipt", ours)
        assert receipt["status"] == "0x0"
        assert int(receipt["gasUsed"], 16) < HALF_A_PUSH
        network = await keeper.network()
        assert network["pushes"]["lost_race"] == 1
        assert network["pushes"]["reverted"] == network["consecutive_failures"] == 0
        assert network["feeds"][0]["rival_writes"] == 1
        await world.jump()
        await world.price_lands()


async def test_conditions_come_with_the_first_rival(world: FaultWorld) -> None:
    async with world.keeper() as keeper:
        await outrun(world)
        await wait_until(lambda: keeper.told("push_nothing_newer"), timeout_s=PATIENCE_S)
        await outrun(world)
        await wait_until(lambda: keeper.told("push_lost_race"), timeout_s=PATIENCE_S)
