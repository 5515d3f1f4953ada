"""Orders over HTTP, on real sockets."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from keeper.domain.errors import UsageError
from keeper.domain.orders import Addressee, Pause, PushRequest, Standing
from keeper.server.app import Server
from keeper.server.orders import OrderRoutes
from tests.support.orders import FakeOrders
from tests.support.status import ACCOUNT, BTC, NEW_FEED, Watched

HOST = "127.0.0.1"
TOKEN = "correct-horse-battery-staple"
DEVNET = Addressee("devnet", ACCOUNT)
BY = f"somebody over HTTP from {HOST}"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
ROUTES = ("/v1/updates", "/v1/pause", "/v1/resume")


class Noon:
    """A clock that stands."""

    def now(self) -> float:
        return 1_760_000_000.0

    def monotonic(self) -> float:
        return 0.0


class Tokens:
    """A token that may be changed, or not be readable."""

    current: str | None = TOKEN

    def __call__(self) -> str:
        if self.current is None:
            raise UsageError("CONTROL_TOKEN_FILE names an empty file")
        return self.current


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def orders() -> FakeOrders:
    return FakeOrders()


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
async def client(orders: FakeOrders, tokens: Tokens, calls: list[str]) -> AsyncIterator[aiohttp.ClientSession]:
    control = OrderRoutes(Watched(), orders, Noon(), token=tokens, asked=lambda: calls.append("look"))
    async with (
        Server(control.routes(), host=HOST, port=0) as server,
        aiohttp.ClientSession(f"http://{HOST}:{server.port}") as session,
    ):
        yield session


async def post(
    client: aiohttp.ClientSession, path: str, body: object = None, headers: dict[str, str] = AUTHORIZED
) -> tuple[int, Any]:
    async with client.post(path, json=body, headers=headers) as response:
        assert response.content_type == "application/json"
        assert TOKEN not in await response.text()
        return response.status, await response.json()


async def test_leaves_a_request_for_all_feeds(
    client: aiohttp.ClientSession, orders: FakeOrders, calls: list[str]
) -> None:
    status, body = await post(client, "/v1/updates", {})
    assert (status, body) == (202, {"by": BY, "networks": {"devnet": [BTC.feed_id, NEW_FEED.feed_id]}})
    assert await orders.take(DEVNET, Noon().now()) == PushRequest(None, BY)
    assert calls == ["look"]


@pytest.mark.parametrize("name", [BTC.alias, BTC.feed_id])
async def test_leaves_a_request_for_feeds_by_alias_or_id(
    client: aiohttp.ClientSession, orders: FakeOrders, name: str
) -> None:
    status, body = await post(client, "/v1/updates", {"feeds": [name], "networks": ["devnet"], "by": "alice"})
    assert (status, body["networks"]) == (202, {"devnet": [BTC.feed_id]})
    expected = PushRequest(frozenset({BTC.feed_id}), f"alice over HTTP from {HOST}")
    assert await orders.take(DEVNET, Noon().now()) == expected


async def test_pauses_and_resumes(client: aiohttp.ClientSession, orders: FakeOrders) -> None:
    paused = {"by": BY, "since": Noon().now()}
    assert await post(client, "/v1/pause") == (200, {"networks": {"devnet": paused}})
    assert await orders.look([DEVNET]) == {DEVNET: Standing(Pause(BY, Noon().now()))}
    status, body = await post(client, "/v1/updates", {})
    assert status == 409
    assert "devnet is paused by somebody over HTTP from 127.0.0.1 since 2025-10-09T08:53:20Z" in body["error"]
    assert not orders.requests
    assert await post(client, "/v1/resume") == (200, {"networks": {"devnet": None}})
    assert await orders.look([DEVNET]) == {DEVNET: Standing()}


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "given", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Authorization": "Bearer \u00e9"}]
)
async def test_heeds_nobody_without_the_token(
    client: aiohttp.ClientSession, orders: FakeOrders, path: str, given: dict[str, str]
) -> None:
    status, body = await post(client, path, {}, given)
    assert (status, body) == (401, {"error": "the control token is wanted: Authorization: Bearer TOKEN"})
    assert not orders.requests
    assert not orders.pauses


async def test_the_token_may_change(client: aiohttp.ClientSession, tokens: Tokens) -> None:
    tokens.current = "another-secret-that-is-long"
    assert (await post(client, "/v1/updates", {}))[0] == 401
    assert (await post(client, "/v1/updates", {}, {"Authorization": f"Bearer {tokens.current}"}))[0] == 202


async def test_a_token_that_cannot_be_read_lets_nobody_in(client: aiohttp.ClientSession, tokens: Tokens) -> None:
    tokens.current = None
    status, body = await post(client, "/v1/updates", {})
    assert (status, body) == (503, {"error": "the control token cannot be read: see the log"})


@pytest.mark.parametrize("path", ROUTES)
async def test_without_a_token_the_routes_do_not_exist(path: str) -> None:
    control = OrderRoutes(Watched(), FakeOrders(), Noon(), token=None, asked=lambda: None)
    async with (
        Server(control.routes(), host=HOST, port=0) as server,
        aiohttp.ClientSession(f"http://{HOST}:{server.port}") as session,
    ):
        assert (await post(session, path, {}))[0] == 404


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"feeds": ["DOGE/USD"]}, "no feed DOGE/USD on devnet"),
        ({"networks": ["base"]}, "no network base"),
        ({"feeds": "ETH/USD"}, r"Expected `array`, got `str` - at `$.feeds`"),
        ({"feed": []}, "unknown field"),
        ({"by": "a\nb"}, "matching regex"),
        ([], "Expected `object`"),
    ],
)
async def test_tells_what_is_wrong_with_a_body(client: aiohttp.ClientSession, body: object, why: str) -> None:
    status, answer = await post(client, "/v1/updates", body)
    assert status == 400
    assert why in answer["error"]


async def test_takes_only_json(client: aiohttp.ClientSession) -> None:
    async with client.post("/v1/pause", data={"networks": "devnet"}, headers=AUTHORIZED) as response:
        assert (response.status, await response.json()) == (415, {"error": "unsupported media type"})


async def test_says_when_to_try_again_where_the_order_cannot_be_left(
    client: aiohttp.ClientSession, orders: FakeOrders
) -> None:
    orders.failures = 1
    async with client.post("/v1/pause", headers=AUTHORIZED) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
        assert "the server restarts" in (await response.json())["error"]
