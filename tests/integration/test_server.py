"""The server on real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import msgspec
import pytest

from keeper.domain.errors import UsageError
from keeper.domain.status import KeeperStatus, SourceState
from keeper.server import overview
from keeper.server.app import Server
from keeper.server.event_metrics import EventMetrics
from tests.support.status import KEEPER, Watched, with_feeds, with_network, with_source
from tests.support.waiting import PATIENCE_S

HOST = "127.0.0.1"


class Broken:
    """An Observed with a bug."""

    def status(self) -> KeeperStatus:
        raise RuntimeError("the secret of the bug")


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
async def server(watched: Watched) -> AsyncIterator[Server]:
    async with Server(overview.routes(watched, EventMetrics()), host=HOST, port=0) as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{HOST}:{server.port}") as session:
        yield session


async def answer(client: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
    async with client.get(path) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


async def test_answers_health_by_components(client: aiohttp.ClientSession, watched: Watched) -> None:
    status, body = await answer(client, "/health")
    assert (status, body["status"], body["version"], body["uptime_s"]) == (200, "healthy", "0.1.0", 3_600)
    assert body["components"]["source:hermes"] == {"status": "healthy", "why": "streams"}

    watched.current = with_source(state=SourceState.POLLING, connected=False)
    status, body = await answer(client, "/health")
    assert (status, body["status"]) == (200, "degraded")

    watched.current = with_network(consecutive_failures=5, detail="reverted")
    status, body = await answer(client, "/health")
    assert (status, body["status"], body["consecutive_failures"]) == (503, "unhealthy", 5)
    assert body["components"]["network:devnet"]["why"] == "failed pushes in a row: 5: reverted"


async def test_is_alive_whatever_is_wrong(client: aiohttp.ClientSession, watched: Watched) -> None:
    watched.current = with_network(ready=False)
    assert await answer(client, "/health/live") == (200, {"status": "alive"})


async def test_becomes_ready_and_is_no_longer_while_stopping(client: aiohttp.ClientSession, watched: Watched) -> None:
    watched.current = with_network(ready=False)
    why = ["network devnet is not ready: the chain was not read yet"]
    assert await answer(client, "/health/ready") == (503, {"ready": False, "why": why})
    watched.current = KEEPER
    assert await answer(client, "/health/ready") == (200, {"ready": True, "why": []})
    watched.current = replace(KEEPER, stopping=True)
    assert await answer(client, "/health/ready") == (503, {"ready": False, "why": ["the keeper is shutting down"]})


async def test_answers_status(client: aiohttp.ClientSession) -> None:
    status, body = await answer(client, "/status")
    assert status == 200
    assert body["networks"][0]["feeds"][0]["source"]["value"] == "61409.93501000"


async def test_answers_metrics_as_text(client: aiohttp.ClientSession) -> None:
    async with client.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert 'price_updates_total{network="devnet",outcome="confirmed"} 10\n' in await response.text()


async def test_answers_many_clients_with_many_feeds(client: aiohttp.ClientSession, watched: Watched) -> None:
    watched.current = with_feeds(2_000)
    answers = await asyncio.gather(*(answer(client, "/status") for _ in range(5)))
    assert [len(body["networks"][0]["feeds"]) for _, body in answers] == [2_000] * 5


async def test_names_its_routes_where_there_is_nothing(client: aiohttp.ClientSession) -> None:
    routes = ["/health", "/health/live", "/health/ready", "/metrics", "/monitoring/status", "/status", "/supported"]
    assert await answer(client, "/nothing") == (404, {"error": "there is nothing here", "routes": routes})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_can_only_be_read(client: aiohttp.ClientSession, method: str) -> None:
    async with client.request(method, "/status") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET,HEAD"
        assert await response.json() == {"error": "method not allowed"}


async def test_keeps_a_bug_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        Server(overview.routes(Broken(), EventMetrics()), host=HOST, port=0) as server,
        aiohttp.ClientSession(f"http://{HOST}:{server.port}") as client,
    ):
        assert await answer(client, "/health") == (500, {"error": "internal error, see the log"})
        assert await answer(client, "/health/live") == (200, {"status": "alive"})
    assert "the secret of the bug" in caplog.text


async def test_says_what_to_do_when_the_port_is_in_use(watched: Watched, server: Server) -> None:
    with pytest.raises(UsageError) as caught:
        await Server(overview.routes(watched, EventMetrics()), host=HOST, port=server.port).start()
    assert str(caught.value) == (
        f"port {server.port} is in use: stop what listens on it, or set METRICS_PORT to a free port"
    )


async def test_says_what_to_do_when_it_cannot_listen(watched: Watched) -> None:
    elsewhere = "192.0.2.1"
    with pytest.raises(UsageError, match=rf"cannot listen on {elsewhere} port 9090 \(.+\): set METRICS_PORT"):
        await Server(overview.routes(watched, EventMetrics()), host=elsewhere, port=9090).start()


async def test_frees_the_port_within_a_moment_although_a_client_stays(watched: Watched) -> None:
    async with Server(overview.routes(watched, EventMetrics()), host=HOST, port=0) as server:
        port = server.port
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: keeper\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            await server.stop()
        writer.close()
    with socket.socket() as probe:
        assert probe.connect_ex((HOST, port)) != 0


async def test_can_be_stopped_without_having_started(watched: Watched) -> None:
    server = Server(overview.routes(watched, EventMetrics()), host=HOST, port=9090)
    await server.stop()
    assert server.port == 9090


async def test_answers_head_without_a_body(client: aiohttp.ClientSession) -> None:
    async with client.head("/health") as response:
        assert (response.status, await response.read()) == (200, b"")


async def test_shows_no_float_where_money_is_told(client: aiohttp.ClientSession) -> None:
    async with client.get("/status") as response:
        (network,) = msgspec.json.decode(await response.read())["networks"]
    assert {type(amount) for amount in (*network["balance"].values(), *network["spent"]["total"].values())} == {str}
