"""What the server does not put up with, on real sockets."""

import aiohttp
import pytest

from keeper.server import overview
from keeper.server.app import Server
from keeper.server.event_metrics import EventMetrics
from keeper.server.orders import OrderRoutes
from keeper.server.safety import MAX_BODY_BYTES, MAX_HEADER_BYTES, rate_limited
from tests.support.clock import LoopClock
from tests.support.orders import FakeOrders
from tests.support.status import Watched

HOST = "127.0.0.1"
AUTHORIZED = {"Authorization": "Bearer correct-horse-battery"}


def server(*, per_minute: int = 1000) -> Server:
    watched = Watched()
    control = OrderRoutes(watched, FakeOrders(), LoopClock(), token=lambda: "correct-horse-battery", asked=lambda: None)
    routes = [*overview.routes(watched, EventMetrics()), *control.routes()]
    return Server(routes, [rate_limited(per_minute)], host=HOST, port=0)


async def test_a_client_that_asks_too_often_is_told_when_to_come_back_and_may_use_other_routes() -> None:
    async with server(per_minute=3) as running, aiohttp.ClientSession(f"http://{HOST}:{running.port}") as client:
        for expected in (200, 200, 200, 429, 429):
            async with client.get("/health") as response:
                assert response.status == expected
                body = await response.json()
        assert 1 <= int(response.headers["Retry-After"]) <= 60
        assert body == {"error": "more than 3 requests in a minute"}
        async with client.get("/status") as response:
            assert response.status == 200


async def test_paths_that_do_not_exist_are_limited_together() -> None:
    async with server(per_minute=3) as running, aiohttp.ClientSession(f"http://{HOST}:{running.port}") as client:
        statuses = []
        for number in range(5):
            async with client.get(f"/nothing/{number}") as response:
                statuses.append(response.status)
        assert statuses == [404, 404, 404, 429, 429]


@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("/nothing", 404), ("/metrics", 200)])
async def test_every_answer_has_headers_that_keep_browsers_safe(path: str, status: int) -> None:
    async with (
        server() as running,
        aiohttp.ClientSession(f"http://{HOST}:{running.port}") as client,
        client.get(path) as response,
    ):
        assert response.status == status
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["Server"] == "keeper"


async def test_a_body_that_is_too_large_is_refused() -> None:
    async with server() as running, aiohttp.ClientSession(f"http://{HOST}:{running.port}") as client:
        body = b" " * (MAX_BODY_BYTES + 1)
        headers = AUTHORIZED | {"Content-Type": "application/json"}
        async with client.post("/v1/pause", data=body, headers=headers) as response:
            assert (response.status, response.content_type) == (413, "application/json")


async def test_headers_that_are_too_large_are_refused() -> None:
    async with (
        server() as running,
        aiohttp.ClientSession(f"http://{HOST}:{running.port}") as client,
        client.get("/health", headers={"X-Long": "x" * (MAX_HEADER_BYTES + 1)}) as response,
    ):
        assert response.status == 400


async def test_a_method_that_a_route_does_not_know_is_refused_with_those_that_it_does() -> None:
    async with (
        server() as running,
        aiohttp.ClientSession(f"http://{HOST}:{running.port}") as client,
        client.delete("/v1/pause") as response,
    ):
        assert (response.status, response.headers["Allow"]) == (405, "POST")
