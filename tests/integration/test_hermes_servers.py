"""The source against servers that are odd, slow, misplaced or after the key."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from keeper.domain.errors import InvalidUpdate
from keeper.domain.status import SourceState
from keeper.domain.units import FeedId
from keeper.hermes import FeedAnswers, HermesConfig, Timing, check_feeds
from keeper.hermes.failure import SourceFailure
from keeper.lab.hermes import HermesSimulator, SimulatorConfig
from tests.support.fake_hermes import as_event, signed
from tests.support.hermes import running
from tests.support.market import FEEDS
from tests.support.sourcing import failing, open_stream, serving, sourcing_from
from tests.support.waiting import wait_until

F1, F2 = FEEDS[:2]
KEY = "s3cret-key"
IMPATIENT = Timing(silence_s=0.5, connect_timeout_s=0.5, poll_timeout_s=0.5, slow_retry_s=0.2, backoff_s=0.1)
UNKNOWN = FeedId("ab" * 32)


def event(slot: int) -> str:
    return as_event(signed([F1], slot=slot, publish_time=int(time.time())))


async def streams(request: web.Request) -> web.StreamResponse:
    """A stream as it should be."""
    response = await open_stream(request)
    for slot in range(1, 10_000):
        await response.write(f"data:{event(slot)}\n\n".encode())
        await asyncio.sleep(0.05)
    return response


async def answers(_: web.Request) -> web.StreamResponse:
    """The latest prices as they should be."""
    return web.Response(text=event(1), content_type="application/json")


async def hangs(_: web.Request) -> web.StreamResponse:
    """No answer at all."""
    await asyncio.sleep(3600)
    raise AssertionError


async def test_lines_of_many_megabytes_are_read() -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = await open_stream(request)
        for slot in range(1, 100):
            padding = ",".join(['{"id":"' + "0" * 2**20 + '"}'] * 6)
            await response.write(f'data:{event(slot)[:-1]},"parsed":[{padding}]}}\n\n'.encode())
            await asyncio.sleep(0.1)
        return response

    async with serving(stream, failing) as url, sourcing_from(url, [F1]) as bench:
        await bench.becomes(SourceState.STREAMING)
        await bench.delivers(more=3)
        assert bench.status.reconnects == 0


async def test_keeps_a_path_prefix_and_shows_its_key() -> None:
    seen: list[web.Request] = []

    async def stream(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return await streams(request)

    async def latest(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return await answers(request)

    async with (
        serving(stream, latest, prefix="/hermes") as url,
        sourcing_from(url, [F1, F2], api_key=lambda: KEY) as bench,
    ):
        await bench.becomes(SourceState.STREAMING)
    assert {request.headers["Authorization"] for request in seen} == {f"Bearer {KEY}"}
    assert {request.headers["Accept-Encoding"] for request in seen} == {"identity"}
    assert all(request.query.getall("ids[]") == [F1, F2] for request in seen)


async def test_a_server_that_ignores_every_parameter_will_do() -> None:
    blob = signed([F1, F2], slot=3, publish_time=int(time.time()))

    async def stream(request: web.Request) -> web.StreamResponse:
        response = await open_stream(request)
        text = f'{{"binary":{{"encoding":"hex","data":["{blob.hex()}"]}},"parsed":[{{"id":"{F1}","price":null}}]}}'
        await response.write(f"id: 1\ndata: {text}\n\n".encode())
        return await hangs(request)

    async with serving(stream, failing) as url, sourcing_from(url, [F1]) as bench:
        await bench.delivers()
        assert bench.delivered[0][1].updates[0].blob == blob


async def test_a_stream_that_trickles_is_given_up_and_polled_for() -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = await open_stream(request)
        for byte in f"data:{event(5)}\n\n".encode():
            await response.write(bytes([byte]))
            await asyncio.sleep(0.05)
        return response

    body = event(1)

    async def one_answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body, content_type="application/json")

    async with serving(trickle, one_answer) as url, sourcing_from(url, [F1], timing=IMPATIENT) as bench:
        await bench.becomes(SourceState.POLLING)
        await wait_until(lambda: "no prices" in bench.status.detail)
        assert len(bench.delivered) == 1


async def test_a_poll_that_trickles_does_not_hold_up_the_stream() -> None:
    allowed = asyncio.Event()

    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for byte in event(5).encode():
            await response.write(bytes([byte]))
            await asyncio.sleep(0.05)
        return response

    async def late(request: web.Request) -> web.StreamResponse:
        await allowed.wait()
        return await streams(request)

    async with serving(late, trickle) as url, sourcing_from(url, [F1], timing=IMPATIENT) as bench:
        await wait_until(lambda: "polling: the server does not answer in time" in bench.status.detail)
        allowed.set()
        await bench.becomes(SourceState.STREAMING)


async def test_a_server_that_never_answers_is_asked_again() -> None:
    asked = 0

    async def stream(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return await (hangs if asked < 3 else streams)(request)

    async with serving(stream, hangs) as url, sourcing_from(url, [F1], timing=IMPATIENT) as bench:
        await bench.becomes(SourceState.STREAMING)


@pytest.mark.parametrize("status", [301, 307])
async def test_a_redirect_is_not_followed_with_the_key(status: int) -> None:
    strangers: list[web.Request] = []

    async def stranger(request: web.Request) -> web.StreamResponse:
        strangers.append(request)
        return await failing(request)

    async with serving(stranger, stranger) as elsewhere:

        async def redirect(request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers={"Location": f"{elsewhere}{request.path_qs}"})

        async with serving(redirect, redirect) as url, sourcing_from(url, [F1], api_key=lambda: KEY) as bench:
            await wait_until(lambda: f"polling: HTTP {status}" in bench.status.detail)
            assert "HERMES_URL" in bench.status.detail
            assert bench.status.state is SourceState.DOWN
            assert strangers == []


async def test_a_page_in_place_of_a_stream_is_told() -> None:
    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>", content_type="text/html")

    async with serving(page, page) as url, sourcing_from(url, [F1]) as bench:
        await wait_until(lambda: "not an event stream" in bench.status.detail or "not the JSON" in bench.status.detail)
        assert bench.status.state is SourceState.DOWN


async def test_the_key_and_the_url_show_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    turn = 0

    async def spiteful(request: web.Request) -> web.StreamResponse:
        nonlocal turn
        turn += 1
        echo = f"{request.headers['Authorization']} {request.path_qs}"
        if turn % 6 == 0:
            response = await open_stream(request)
            await response.write(f"event:error\ndata:Error receiving update: {echo}\n\ndata:{echo}\n\n".encode())
            return response
        return web.Response(status=(400, 401, 403, 404, 500)[turn % 5], text=f"Price ids not found: {echo}", reason=KEY)

    timing = Timing(slow_retry_s=0.02, backoff_s=0.02, backoff_cap_s=0.02)
    async with (
        serving(spiteful, spiteful, prefix=f"/{KEY}") as url,
        sourcing_from(url, [F1, F2], api_key=lambda: KEY, timing=timing) as bench,
    ):
        await wait_until(lambda: turn >= 40)
        assert bench.events
        assert KEY not in f"{bench.events} {bench.source.status()}"
    assert KEY not in caplog.text


@pytest.fixture
async def simulator() -> AsyncIterator[HermesSimulator]:
    async with running(SimulatorConfig(interval_ms=50, feeds=4, api_key=KEY)) as started:
        yield started


async def asked(url: str, feeds: list[FeedId], *, key: str = KEY, **config: Any) -> FeedAnswers:
    """What a check finds."""
    settings = HermesConfig(name="hermes.test", url=url, feeds=tuple(feeds), api_key=lambda: key, **config)
    async with aiohttp.ClientSession() as session:
        return await check_feeds(settings, session)


async def test_a_check_finds_the_price_of_every_feed(simulator: HermesSimulator) -> None:
    answers = await asked(simulator.url, simulator.feed_ids, feeds_per_connection=3)
    assert answers.missing == {}
    prices = {feed: price for update in answers.updates for feed, price in update.prices.items()}
    assert prices.keys() == set(simulator.feed_ids)
    assert all(abs(price.publish_time - time.time()) < 5 for price in prices.values())


async def test_a_check_tells_bad_feeds_from_good_ones(simulator: HermesSimulator) -> None:
    fine, denied, removed, other = simulator.feed_ids
    await simulator.control({"action": "deny", "feeds": [denied]})
    await simulator.control({"action": "remove", "feeds": [removed]})
    answers = await asked(simulator.url, [fine, UNKNOWN, denied, removed, other])
    assert {feed for update in answers.updates for feed in update.prices} == {fine, other}
    assert answers.missing == {
        denied: "not covered by the API key",
        removed: "unknown to Hermes; check the feed id",
        UNKNOWN: "unknown to Hermes; check the feed id",
    }


async def test_a_check_tells_a_wrong_key(simulator: HermesSimulator) -> None:
    with pytest.raises(SourceFailure, match="HERMES_API_KEY"):
        await asked(simulator.url, simulator.feed_ids, key="wrong")


async def test_a_check_spends_no_more_requests_than_the_public_service_grants() -> None:
    async with running(SimulatorConfig(interval_ms=50, feeds=20)) as simulator:
        await simulator.control({"action": "deny", "feeds": simulator.feed_ids})
        answers = await asked(simulator.url, simulator.feed_ids)
        assert sum(simulator.state()["requests"].values()) < 10
        assert "not checked" in answers.missing[simulator.feed_ids[-1]]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://host.invalid", "ftp://127.0.0.1", "http://"])
async def test_a_check_of_a_server_that_cannot_be_reached_says_so(url: str) -> None:
    with pytest.raises(SourceFailure):
        await asked(url, [F1])


async def test_a_check_of_nonsense_says_so() -> None:
    async def nonsense(_: web.Request) -> web.StreamResponse:
        return web.Response(text="nonsense")

    async with serving(failing, nonsense) as url:
        with pytest.raises(InvalidUpdate, match="not the JSON"):
            await asked(url, [F1])
