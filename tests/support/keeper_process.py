"""A real keeper in a process of its own, on a devnet that the test controls."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from keeper.app.clock import SystemClock
from keeper.evm.rpc import RpcPool, transport
from keeper.lab.anvil import DEV_PRIVATE_KEY, Anvil
from keeper.lab.contract import ContractTerms, deploy_contract
from keeper.lab.hermes import HermesSimulator, SimulatorConfig
from keeper.signing.raw_key import RawKeySigner
from tests.support.ports import free_port
from tests.support.waiting import wait_until

KEEPER = Path(sys.executable).with_name("keeper")
START_S = 60.0
STOP_S = 25.0
REQUESTS_PER_MINUTE = 1000
"""The keeper allows each client no more than so many of a route."""


@dataclass
class RunningKeeper:
    """The process and what it says."""

    process: asyncio.subprocess.Process
    session: aiohttp.ClientSession
    lines: list[dict[str, Any]] = field(default_factory=list)
    """Its log so far."""
    url: str = ""
    _allowed_at: dict[str, float] = field(default_factory=dict)
    """When to ask for a route again, by the loop's time."""

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and decoded body of one of its routes, which is asked no more often than it allows."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._allowed_at.get(path, now))
        self._allowed_at[path] = at + 1.1 * 60 / REQUESTS_PER_MINUTE
        await asyncio.sleep(at - now)
        async with self.session.get(self.url + path) as response:
            text = await response.text()
            return response.status, json.loads(text) if response.content_type == "application/json" else text

    async def network(self) -> dict[str, Any]:
        """Its only network as /status shows it."""
        _, body = await self.get("/status")
        (network,) = body["networks"]
        shown: dict[str, Any] = network
        return shown

    def told(self, message: str) -> list[dict[str, Any]]:
        """Its log lines of one kind."""
        return [line for line in self.lines if line["message"] == message]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def read_lines(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))


@asynccontextmanager
async def devnet_contract(node: Anvil, simulator: HermesSimulator) -> AsyncIterator[str]:
    """A contract that trusts the simulator."""
    pool = RpcPool([transport("anvil", node.url)], clock=SystemClock())
    try:
        yield await deploy_contract(
            pool,
            signer=RawKeySigner(DEV_PRIVATE_KEY),
            terms=ContractTerms(signers=simulator.signers, quorum=simulator.quorum),
        )
    finally:
        await pool.close()


@asynccontextmanager
async def simulator_running(**settings: Any) -> AsyncIterator[HermesSimulator]:
    """Prices that stand still unless the test moves them."""
    simulator = HermesSimulator(SimulatorConfig(**{"volatility_ppm": 0, "interval_ms": 100, **settings}))
    await simulator.start(port=free_port())
    try:
        yield simulator
    finally:
        await simulator.stop()


def environment(node_url: str, simulator: HermesSimulator, contract: str, folder: Path) -> dict[str, str]:
    """All that a keeper needs to know of the devnet; it shares its account with those of the same folder alone."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PRIVATE_KEY": DEV_PRIVATE_KEY.hex(),
        "RPC_URL": node_url,
        "CONTRACT_ADDRESS": contract,
        "HERMES_URL": simulator.url,
        "PRICE_FEED_IDS": ",".join(simulator.feed_ids),
        "METRICS_PORT": "0",
        "MAX_STALENESS": "3600",
        "RETRY_DELAY_MS": "500",
    }


@asynccontextmanager
async def keeper_running(
    environ: Mapping[str, str], folder: Path, *arguments: str, ready: bool = True, under: Sequence[str] = ()
) -> AsyncIterator[RunningKeeper]:
    """`keeper run` in an empty folder; ended by SIGTERM if the test leaves it running.

    `under` is a command in front of it, which becomes it.
    """
    process = await asyncio.create_subprocess_exec(
        *under,
        KEEPER,
        "run",
        *arguments,
        env={"HTTP_REQUESTS_PER_MINUTE": str(REQUESTS_PER_MINUTE), **environ},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
    )
    async with aiohttp.ClientSession() as session:
        keeper = RunningKeeper(process, session)
        reader = asyncio.create_task(keeper.read_lines())
        try:
            await wait_until(lambda: keeper.told("serving") or reader.done(), timeout_s=START_S)
            assert keeper.told("serving"), "it has ended"
            keeper.url = keeper.told("serving")[0]["url"]
            if ready:
                await wait_until(lambda: _is_ready(keeper), timeout_s=START_S)
            yield keeper
        finally:
            await _end(process)
            await reader


async def _end(process: asyncio.subprocess.Process) -> None:
    """In good order; one that does not end by itself is killed, and fails the test."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise AssertionError(f"not ended {STOP_S:g} s after SIGTERM") from None


async def _is_ready(keeper: RunningKeeper) -> bool:
    status, _ = await keeper.get("/health/ready")
    return status == 200
