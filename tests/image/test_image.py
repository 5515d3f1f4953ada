"""The container image: built of what is here, and run with as few rights as it asks for, against a real node."""

import asyncio
import json
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from keeper import __version__
from keeper.lab.anvil import DEV_PRIVATE_KEY, Anvil
from keeper.lab.hermes import HermesSimulator
from tests.support.keeper_process import devnet_contract, simulator_running
from tests.support.node import Node
from tests.support.podman import Podman
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(600)

RIGHTS = ("--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges")
START_S = 30.0
FEEDS = 3


@dataclass(frozen=True, slots=True)
class Contained:
    """A keeper in a container, on the host's network."""

    podman: Podman
    name: str
    port: int

    async def inside(self, *command: str) -> str:
        """What a command prints that runs in the container, as the keeper does."""
        return await asyncio.to_thread(self.podman.run, "exec", self.name, *command)

    async def confirmed(self, pushes: int) -> None:
        """Wait until so many pushes are confirmed."""

        async def enough() -> bool:
            url = f"http://127.0.0.1:{self.port}/status"
            try:
                async with aiohttp.ClientSession() as session, session.get(url) as response:
                    (network,) = (await response.json())["networks"]
            except aiohttp.ClientError:
                return False
            return bool(network["pushes"].get("confirmed", 0) >= pushes)

        await wait_until(enough, timeout_s=START_S)

    async def exit_code(self) -> int:
        """Its exit code, after SIGTERM."""
        await asyncio.to_thread(self.podman.run, "stop", "--time=25", self.name)
        return int(self.podman.run("inspect", "--format={{.State.ExitCode}}", self.name))


@dataclass(frozen=True, slots=True)
class World:
    """Everything around the container."""

    podman: Podman
    image: str
    node: Node
    simulator: HermesSimulator
    options: tuple[str, ...]

    @asynccontextmanager
    async def keeper(self, *options: str) -> AsyncIterator[Contained]:
        """A container, and its volume, for as long as the block takes."""
        name = f"keeper-test-{secrets.token_hex(4)}"
        port = free_port()
        more = (f"--name={name}", f"--volume={name}:/data", f"--env=METRICS_PORT={port}", *options)
        await asyncio.to_thread(self.podman.run, "run", "--detach", *RIGHTS, *self.options, *more, self.image)
        try:
            yield Contained(self.podman, name, port)
        finally:
            await asyncio.to_thread(self.podman.run, "rm", "--force", "--time=0", name)
            await asyncio.to_thread(self.podman.run, "volume", "rm", "--force", name)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
async def world(podman: Podman, image: str, anvil: Anvil, node: Node, tmp_path: Path) -> AsyncIterator[World]:
    async with simulator_running(feeds=FEEDS) as simulator, devnet_contract(anvil, simulator) as contract:
        key_file = tmp_path / "key"
        key_file.write_text(DEV_PRIVATE_KEY.hex())
        key_file.chmod(0o444)
        environ = {
            "PRIVATE_KEY_FILE": "/run/secrets/private_key",
            "RPC_URL": anvil.url,
            "CONTRACT_ADDRESS": contract,
            "HERMES_URL": simulator.url,
            "PRICE_FEED_IDS": ",".join(simulator.feed_ids),
            "MAX_STALENESS": "3600",
        }
        options = ("--network=host", f"--volume={key_file}:/run/secrets/private_key:ro")
        yield World(
            podman, image, node, simulator, (*options, *(f"--env={name}={value}" for name, value in environ.items()))
        )


def test_says_what_it_is_and_how_to_run_it(podman: Podman, image: str) -> None:
    (described,) = json.loads(podman.run("image", "inspect", image))
    config: dict[str, Any] = described["Config"]
    assert (config["Entrypoint"], config["Cmd"], config["User"]) == (["keeper"], ["run"], "1001:1001")
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert len(config["Labels"]["org.opencontainers.image.revision"]) == 40
    assert podman.run("run", "--rm", "--network=none", *RIGHTS, image, "version").strip() == __version__


def test_leaves_the_tools_of_the_build_behind(podman: Podman, image: str) -> None:
    find = ("run", "--rm", "--network=none", "--user=0", "--entrypoint=find", image, "/", "-xdev")
    assert podman.run(*find, "-name", "web3").strip()
    for tool in ("pip", "hatchling", "wheels", "*.whl"):
        assert podman.run(*find, "-name", tool) == "", tool


async def test_updates_prices_without_a_right_or_a_place_to_write_but_its_volume(world: World) -> None:
    async with world.keeper() as keeper:
        await keeper.confirmed(1)
        assert int(await world.node.request("eth_blockNumber"), 16) >= 2
        told = dict(line.split(":\t") for line in (await keeper.inside("cat", "/proc/1/status")).splitlines())
        assert {told[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {"0" * 16}
        assert told["Uid"].split() == ["1001"] * 4
        assert told["NoNewPrivs"] == "1"
        files = (await keeper.inside("ls", "-A", "/data")).split()
        assert "keeper-journal.db" in files
        assert all(name.startswith(("keeper-journal.db", "pyth-keeper-31337-")) for name in files), "journal and lock"
        with pytest.raises(RuntimeError, match="Read-only file system"):
            await keeper.inside("sh", "-c", "touch /tmp/file")


async def test_keeper_update_forces_an_update_from_inside(world: World) -> None:
    async with world.keeper() as keeper:
        await keeper.confirmed(1)
        assert "asked for" in await keeper.inside("keeper", "update")
        await keeper.confirmed(2)


async def test_pid_1_takes_sigusr1_and_ends_with_0_on_sigterm(world: World) -> None:
    async with world.keeper() as keeper:
        await keeper.confirmed(1)
        await keeper.inside("sh", "-c", "kill -USR1 1")
        await keeper.confirmed(2)
        began = time.monotonic()
        assert await keeper.exit_code() == 0
        assert time.monotonic() - began < 10


async def test_is_healthy_while_it_lives_and_ready_once_it_has_prices(world: World) -> None:
    await world.simulator.control({"action": "refuse", "how": "503", "routes": "all"})
    async with world.keeper() as keeper:
        ready = ("python", "-I", "/opt/keeper/healthcheck.py", "/health/ready")
        await wait_until(lambda: answers(keeper.port), timeout_s=START_S)
        await asyncio.to_thread(world.podman.run, "healthcheck", "run", keeper.name)
        with pytest.raises(RuntimeError, match="no source has delivered a price yet"):
            await keeper.inside(*ready)
        await world.simulator.control({"action": "reset"})
        await keeper.confirmed(1)
        assert json.loads(await keeper.inside(*ready))["ready"] is True


async def test_ends_on_sigterm_whatever_it_does(podman: Podman, image: str) -> None:
    name = f"keeper-test-{secrets.token_hex(4)}"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        podman.run("run", "--detach", *RIGHTS, "--network=host", f"--name={name}", image, "status", f"--url={url}")
        try:
            connection, _ = silent.accept()
            with connection:
                assert await Contained(podman, name, 0).exit_code() == 128 + signal.SIGTERM
        finally:
            podman.run("rm", "--force", "--time=0", name)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
