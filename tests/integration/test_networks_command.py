"""`keeper networks`: what is set, and a push that is proven to be on chain."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keeper.lab.anvil import Anvil
from keeper.lab.hermes import HermesSimulator
from keeper.signing.raw_key import RawKeySigner
from tests.support.keeper_process import KEEPER, devnet_contract, environment, keeper_running, simulator_running
from tests.support.node import Node
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


@dataclass
class World:
    """A chain that mines by the clock, and what a keeper needs to know of it."""

    node: Node
    simulator: HermesSimulator
    environ: dict[str, str]
    folder: Path

    async def balance(self) -> object:
        """Of the account."""
        address = RawKeySigner(bytes.fromhex(self.environ["PRIVATE_KEY"])).address
        return await self.node.request("eth_getBalance", address, "latest")

    async def networks(self, *arguments: str) -> tuple[int, Any, str]:
        """Exit code, decoded output and errors of a command."""
        process = await asyncio.create_subprocess_exec(
            KEEPER,
            "networks",
            *arguments,
            "--json",
            env=self.environ,
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode or 0, json.loads(out) if out else None, err.decode()


@pytest.fixture
async def world(anvil_binary: Path, tmp_path: Path) -> AsyncIterator[World]:
    async with (
        Anvil(anvil_binary, block_time_s=0.5) as anvil,
        Node(anvil.url) as node,
        simulator_running(feeds=3) as simulator,
        devnet_contract(anvil, simulator) as contract,
    ):
        yield World(node, simulator, environment(anvil.url, simulator, contract, tmp_path), tmp_path)


async def test_a_push_is_final_and_read_from_the_chain_with_and_without_a_keeper(world: World) -> None:
    code, alone, err = await world.networks("test", "evm")
    assert (code, err) == (0, "")
    assert (alone["outcome"], alone["sent_by"]) == ("final, and on chain", "this process")
    receipt = await world.node.request("eth_getTransactionReceipt", alone["hash"])
    assert (int(receipt["blockNumber"], 16), int(receipt["gasUsed"], 16)) == (alone["block"], alone["gas"])

    again = await world.networks("test", "evm")
    assert (again[0], again[1]["push"]) == (0, alone["push"] + 1)

    async with keeper_running(world.environ, world.folder) as keeper:
        code, asked, err = await world.networks("test", "evm", "--feed", world.simulator.feed_ids[1])
        assert (code, err) == (0, "")
        assert (asked["outcome"], asked["sent_by"]) == ("final, and on chain", "the running keeper")
        await wait_until(lambda: asked["hash"] in [line["tx_hash"] for line in keeper.told("push_confirmed")])


async def test_where_nothing_is_newer_than_the_chain_that_is_a_success_that_costs_nothing(world: World) -> None:
    await world.simulator.control({"action": "freeze"})
    _, pushed, _ = await world.networks("test", "evm")
    assert pushed["outcome"] == "final, and on chain"
    balance = await world.balance()

    async def nothing_newer(sent_by: str) -> None:
        code, found, err = await world.networks("test", "evm")
        assert (code, err) == (0, "")
        assert found == {
            "network": "evm",
            "feed": pushed["feed"],
            "outcome": "nothing is newer than on chain",
            "sent_by": sent_by,
            "price": pushed["price"],
            "published": pushed["published"],
        }

    await nothing_newer("this process")
    assert await world.balance() == balance
    only_that = {"PRICE_FEED_IDS": world.simulator.feed_ids[0]}
    async with keeper_running(world.environ | only_that, world.folder) as keeper:
        await nothing_newer("the running keeper")
        await wait_until(lambda: keeper.told("nothing_to_push"))
    assert await world.balance() == balance


async def test_networks_are_listed_without_secrets(world: World) -> None:
    code, (listed,), _ = await world.networks("list")
    assert code == 0
    assert (listed["name"], listed["chain_id"], listed["feeds"]) == ("evm", None, 3)
    assert listed["contract"] == world.environ["CONTRACT_ADDRESS"]
    assert world.environ["PRIVATE_KEY"] not in json.dumps(listed)


async def test_an_unknown_network_is_bad_input(world: World) -> None:
    code, _, err = await world.networks("test", "mars")
    assert code == 2
    assert err == "keeper: no network is called 'mars': there is evm\n"
