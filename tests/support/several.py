"""Several chains at once, each with a contract of its own, and a keeper's settings for all of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from keeper.lab.anvil import Anvil
from keeper.lab.hermes import HermesSimulator
from tests.support.keeper_process import RunningKeeper, devnet_contract, environment
from tests.support.ports import free_port

CHAINS = {"red": 31_337, "green": 31_338, "blue": 31_339}


class Chains:
    """A node with a contract for each network; any of them can be ended, and started again as it was."""

    def __init__(self, binary: Path, folder: Path, simulator: HermesSimulator) -> None:
        self._binary = binary
        self._folder = folder
        self._simulator = simulator
        self._running: dict[str, AsyncExitStack] = {}
        self.nodes: dict[str, Anvil] = {}
        self.contracts: dict[str, str] = {}

    async def start(self, name: str) -> None:
        known = self.nodes.get(name)
        stack = AsyncExitStack()
        state = f"--state={self._folder}/{name}.json"
        anvil = Anvil(
            self._binary, port=known.port if known else free_port(), chain_id=CHAINS[name], extra_args=[state]
        )
        self.nodes[name] = await stack.enter_async_context(anvil)
        if known is None:
            self.contracts[name] = await stack.enter_async_context(devnet_contract(anvil, self._simulator))
        self._running[name] = stack

    async def end(self, name: str) -> None:
        await self._running.pop(name).aclose()

    async def end_all(self) -> None:
        for name in list(self._running):
            await self.end(name)

    def config(self, **of_each: Mapping[str, Any]) -> Path:
        """A file with all networks, and what is special about some of them."""
        blocks = [
            {
                "name": name,
                "chain_id": str(CHAINS[name]),
                "rpc_url": node.url,
                "contract_address": self.contracts[name],
                **of_each.get(name, {}),
            }
            for name, node in self.nodes.items()
        ]
        path = self._folder / "keeper.yaml"
        path.write_text(json.dumps({"networks": blocks}))
        return path


@asynccontextmanager
async def three_chains(binary: Path, folder: Path, simulator: HermesSimulator) -> AsyncIterator[Chains]:
    chains = Chains(binary, folder, simulator)
    try:
        async with asyncio.TaskGroup() as tasks:
            for name in CHAINS:
                tasks.create_task(chains.start(name))
        yield chains
    finally:
        await chains.end_all()


def common(simulator: HermesSimulator, folder: Path) -> dict[str, str]:
    """What holds for all networks, from the environment."""
    full = environment("", simulator, "", folder) | {"DEBOUNCE_MS": "0"}
    return {name: value for name, value in full.items() if name not in {"RPC_URL", "CONTRACT_ADDRESS"}}


async def networks(keeper: RunningKeeper) -> dict[str, dict[str, Any]]:
    _, body = await keeper.get("/status")
    return {network["name"]: network for network in body["networks"]}


async def confirmed(keeper: RunningKeeper) -> dict[str, int]:
    return {name: network["pushes"]["confirmed"] for name, network in (await networks(keeper)).items()}
