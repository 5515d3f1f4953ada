"""docker-compose.yml started for real, on its devnet; Debian's packages stand in for images of others."""

import json
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.compose import DEVNET, HOW_TO_INSTALL, compose, is_installed
from tests.support.images import stand_in
from tests.support.podman import Podman
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(600)

STARTED = ("keeper", "prometheus", "alertmanager")
"""All but Grafana, which Debian does not have; what they depend on starts with them."""
START_S = 240.0


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs."""

    environ: dict[str, str]

    def compose(self, *arguments: str) -> str:
        """What a command of compose prints; it must not fail."""
        done = compose(f"--env-file={DEVNET}", *arguments, environ=self.environ, timeout_s=START_S + 60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def inside(self, service: str, *command: str) -> str:
        """What a command prints that runs in a container."""
        return self.compose("exec", "--no-TTY", service, *command)

    def pushes(self) -> int:
        """How many pushes are in the journal, confirmed."""
        return self.inside("keeper", "keeper", "journal", "list").count("confirmed")

    async def get(self, service: str, path: str) -> Any:
        """The JSON that a service answers with at its port of this machine."""
        url = f"http://127.0.0.1:{self.environ[f'{service}_PORT']}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return await response.json()

    async def query(self, expression: str) -> list[Any]:
        """The values that Prometheus has for an expression."""
        answer = await self.get("PROMETHEUS", f"/api/v1/query?query={expression}")
        return [float(series["value"][1]) for series in answer["data"]["result"]]


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(listener.getsockname()[1]) for listener in sockets]


@pytest.fixture(scope="module")
def stack(podman: Podman, image: str, anvil_binary: Path) -> Iterator[Stack]:
    if not is_installed():
        pytest.skip(HOW_TO_INSTALL)
    names = ("KEEPER_PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT", "HERMES_PORT")
    stack = Stack(
        {
            "COMPOSE_PROJECT_NAME": f"keeper-test-{secrets.token_hex(4)}",
            "DOCKER_HOST": f"unix://{podman.socket}",
            "KEEPER_IMAGE": image,
            **dict(zip(names, map(str, free_ports(len(names))), strict=True)),
        }
    )
    services = json.loads(stack.compose("config", "--format=json"))["services"]
    for other in {service["image"] for service in services.values()} - {image, services["grafana"]["image"]}:
        stand_in(podman, other, anvil=anvil_binary)
    with podman.checking_health():
        try:
            stack.compose("up", "--detach", "--no-build", "--wait", f"--wait-timeout={START_S:.0f}", *STARTED)
            yield stack
        finally:
            stack.compose("down", "--volumes", "--timeout=20")


async def test_all_parts_come_up_in_order_and_a_price_lands(stack: Stack) -> None:
    network = (await stack.get("KEEPER", "/status"))["networks"][0]
    assert network["name"] == "devnet"
    assert (await stack.get("KEEPER", "/health"))["status"] == "healthy"
    await wait_until(lambda: stack.pushes() > 0, timeout_s=30)


async def test_an_update_is_forced_by_a_signal(stack: Stack) -> None:
    before = stack.pushes()
    stack.compose("kill", "--signal=USR1", "keeper")
    await wait_until(lambda: stack.pushes() > before, timeout_s=30)


def test_the_keeper_in_its_container_can_be_verified(stack: Stack) -> None:
    assert stack.inside("keeper", "keeper", "verify", "--pid", "1")


async def test_prometheus_finds_and_reads_the_keeper(stack: Stack) -> None:
    async def found() -> bool:
        return await stack.query('up{job="pyth-keeper"}') == [1] and sum(await stack.query("price_updates_total")) > 0

    await wait_until(found, timeout_s=60)
    assert (await stack.get("PROMETHEUS", "/api/v1/alertmanagers"))["data"]["activeAlertmanagers"]


def test_their_own_tools_accept_the_configurations(stack: Stack) -> None:
    assert "SUCCESS" in stack.inside("prometheus", "promtool", "check", "config", "/etc/prometheus/prometheus.yml")
    said = stack.inside("alertmanager", "amtool", "check-config", "/etc/alertmanager/alertmanager.yml")
    assert "2 receivers" in said


def test_the_journal_outlives_the_containers(stack: Stack) -> None:
    before = stack.pushes()
    stack.compose("rm", "--stop", "--force", "keeper", "postgres")
    stack.compose("up", "--detach", "--no-build", "--wait", f"--wait-timeout={START_S:.0f}", *STARTED)
    assert stack.pushes() >= before > 0
