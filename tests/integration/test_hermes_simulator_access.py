"""Whom the simulator turns away, and how it says so."""

from collections.abc import AsyncIterator

import pytest

from keeper.lab.hermes import HermesSimulator, SimulatorConfig
from tests.support.hermes import LATEST, STREAM, RawClient, asking, get, running

KEY = "k-123"
UNKNOWN = "77" * 32
ROUTES = (STREAM, LATEST)


@pytest.fixture
async def simulator() -> AsyncIterator[HermesSimulator]:
    async with running(SimulatorConfig(interval_ms=0, feeds=3)) as started:
        yield started


async def status(simulator: HermesSimulator, target: str, *, headers: str = "") -> int:
    async with RawClient.open(simulator.url, target, headers=headers) as client:
        return client.status


@pytest.mark.parametrize("route", ROUTES)
async def test_price_routes_want_the_key_once_one_is_set(route: str) -> None:
    async with running(SimulatorConfig(interval_ms=0, api_key=KEY)) as simulator:
        target = asking(route, simulator.feed_ids)
        assert await status(simulator, target) == 401
        assert await status(simulator, target, headers="Authorization: Bearer k-124\r\n") == 401
        assert await status(simulator, target, headers=f"Authorization: {KEY}\r\n") == 401
        assert await status(simulator, target, headers=f"Authorization: Bearer {KEY}\r\n") == 200
        assert await status(simulator, "/v2/price_feeds") == 200


async def test_the_key_can_change_while_serving(simulator: HermesSimulator) -> None:
    target = asking(LATEST, simulator.feed_ids)
    assert await status(simulator, target) == 200
    await simulator.control({"action": "api_key", "key": KEY})
    assert await status(simulator, target) == 401
    assert await status(simulator, target, headers=f"Authorization: Bearer {KEY}\r\n") == 200


@pytest.mark.parametrize("route", ROUTES)
async def test_a_feed_outside_the_entitlement_is_named(route: str) -> None:
    async with running(SimulatorConfig(interval_ms=0, not_entitled=frozenset({"ETH/USD"}))) as simulator:
        refused = await get(simulator.url, asking(route, simulator.feed_ids))
        assert (refused.status, refused.body) == (403, f"Not entitled: feed {simulator.feed_ids[1]}".encode())
        assert await status(simulator, asking(route, simulator.feed_ids[:1])) == 200


@pytest.mark.parametrize("route", ROUTES)
async def test_unknown_ids_are_listed(simulator: HermesSimulator, route: str) -> None:
    refused = await get(simulator.url, asking(route, [simulator.feed_ids[0], UNKNOWN]))
    assert (refused.status, refused.body) == (404, f"Price ids not found: 0x{UNKNOWN}".encode())


async def test_a_stream_of_ignored_ids_stays_open_without_events(simulator: HermesSimulator) -> None:
    target = asking(STREAM, [UNKNOWN], ignore_invalid_price_ids="true")
    async with RawClient.open(simulator.url, target) as client:
        for _ in range(3):
            simulator.publish()
        assert [await client.frame() for _ in range(3)] == [b":No update available\n\n"] * 3


async def test_latest_of_ignored_ids_is_empty(simulator: HermesSimulator) -> None:
    answer = await get(simulator.url, asking(LATEST, [UNKNOWN], ignore_invalid_price_ids="true"))
    assert answer.body == b'{"binary":{"encoding":"hex","data":[]},"parsed":[]}'


@pytest.mark.parametrize(
    "target", [STREAM, LATEST, f"{STREAM}?ids[]=12", f"{LATEST}?ids[]=", f"{STREAM}?ids={UNKNOWN}"]
)
async def test_malformed_ids_are_bad_requests(simulator: HermesSimulator, target: str) -> None:
    refused = await get(simulator.url, target)
    assert refused.status == 400
    assert refused.body.startswith(b"Failed to deserialize query string: ")


async def test_urls_beyond_64_kb_are_refused(simulator: HermesSimulator) -> None:
    assert await status(simulator, asking(LATEST, simulator.feed_ids[:1] * 1000)) == 400


async def test_the_eleventh_request_within_ten_seconds_is_throttled() -> None:
    async with running(SimulatorConfig(interval_ms=0, rate_limit=True)) as simulator:
        target = asking(LATEST, simulator.feed_ids)
        assert [await status(simulator, target) for _ in range(12)] == [200] * 10 + [429] * 2
        assert await status(simulator, "/v2/price_feeds") == 429
        assert await status(simulator, "/control") == 200


async def test_throttling_can_be_forced_and_lifted(simulator: HermesSimulator) -> None:
    target = asking(LATEST, simulator.feed_ids)
    await simulator.control({"action": "throttle", "mode": "always", "retry_after_s": 7})
    refused = await get(simulator.url, target)
    assert (refused.status, refused.headers["retry-after"]) == (429, "7")
    await simulator.control({"action": "throttle", "mode": "off"})
    assert await status(simulator, target) == 200


async def test_requests_are_counted_by_route(simulator: HermesSimulator) -> None:
    for _ in range(3):
        await get(simulator.url, asking(LATEST, simulator.feed_ids))
    await get(simulator.url, "/v2/price_feeds")
    told = (await get(simulator.url, "/control")).json()
    assert told["requests"] == {"stream": 0, "latest": 3, "price_feeds": 1}
    assert told["slot"] == simulator.publisher.slot
