"""/v1/feeds over real HTTP: a feed is found by any of its names, and a wrong name gets a useful answer."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from keeper.server.app import Server
from keeper.server.feeds import FeedRoutes
from tests.support.status import BTC, KEEPER, NETWORK, NEW_FEED, Watched, feed_id, with_feeds

HOST = "127.0.0.1"


@pytest.fixture
def watched() -> Watched:
    return Watched(replace(KEEPER, networks=(NETWORK, replace(NETWORK, name="other", feeds=(NEW_FEED,)))))


@pytest.fixture
async def url(watched: Watched) -> AsyncIterator[str]:
    async with Server(FeedRoutes(watched).routes(), host=HOST, port=0) as server:
        yield f"http://{HOST}:{server.port}/v1/feeds"


async def answer(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as client, client.get(URL(url, encoded=True)) as response:
        return response.status, await response.json()


@pytest.mark.parametrize(
    "name",
    ["BTC/USD", quote("BTC/USD", safe=""), "btc/usd", BTC.feed_id, f"0x{BTC.feed_id}", f"0X{BTC.feed_id.upper()}"],
)
async def test_finds_a_feed_by_alias_and_by_id(url: str, name: str) -> None:
    status, body = await answer(f"{url}/devnet/{name}")
    assert (status, body["network"], body["id"], body["alias"]) == (200, "devnet", BTC.feed_id, "BTC/USD")
    assert body["text"].startswith("Due: ")


async def test_an_alias_in_its_own_letters_comes_before_any_other(url: str, watched: Watched) -> None:
    twin = replace(BTC, feed_id=feed_id(9), alias="btc/usd")
    watched.current = replace(KEEPER, networks=(replace(NETWORK, feeds=(BTC, twin)),))
    _, body = await answer(f"{url}/devnet/btc/usd")
    assert body["id"] == twin.feed_id


async def test_names_the_networks_where_one_is_not_known(url: str) -> None:
    assert await answer(f"{url}/mainnet/BTC/USD") == (
        404,
        {"error": "there is no network of that name: those that are kept are devnet, other"},
    )


async def test_names_feeds_that_are_spelled_alike(url: str) -> None:
    assert await answer(f"{url}/devnet/BTCUSD") == (
        404,
        {"error": "there is no such feed on devnet: did you mean BTC/USD", "near": ["BTC/USD"]},
    )
    assert await answer(f"{url}/devnet/{feed_id(2)}x") == (
        404,
        {"error": "there is no such feed on devnet: name it by alias or id, as in /status", "near": []},
    )


async def test_finds_one_among_thousands(url: str, watched: Watched) -> None:
    watched.current = with_feeds(2_000)
    status, body = await answer(f"{url}/devnet/FEED1999/USD")
    assert (status, body["id"]) == (200, feed_id(1_999))
