"""The streams on real sockets: whoever is slow, gone or unwelcome, the others get everything."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from keeper.domain.events import ForceRequested, PushFinal, SourceLost
from keeper.domain.events.seen import PriceSeen
from keeper.server import cors
from keeper.server.app import Server
from keeper.server.streams import listener
from keeper.server.streams.broadcast import Broadcast, Limits
from keeper.server.streams.hub import Buffers
from keeper.server.streams.listener import Kind
from keeper.server.streams.routes import stream_routes
from tests.support.status import BTC, Watched
from tests.support.streaming import BOOT, Received, broadcast, sse, telling
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.integration

HOST = "127.0.0.1"
OTHER = "https://dashboard.example.org"
assert BTC.source is not None
PRICE = PriceSeen("devnet", BTC.feed_id, BTC.alias, BTC.source, "hermes")


@asynccontextmanager
async def serving(it: Broadcast, origins: tuple[str, ...] = ()) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with a server that tells what the broadcast is told."""
    routes = stream_routes(it, Watched(), ways=frozenset(Kind), origins=origins)
    server = Server(routes, host=HOST, port=0, prepare=[cors.allowing(origins)], close=it.close)
    async with telling(it), server:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(f"http://{HOST}:{server.port}", connector=connector) as session:
            yield session


def final(number: int) -> PushFinal:
    return PushFinal("devnet", number, b"\x01" * 32)


async def frames(response: aiohttp.ClientResponse, count: int) -> list[Received]:
    got: list[Received] = []
    async with asyncio.timeout(PATIENCE_S):
        async for each in sse(response):
            got.append(each)
            if len(got) == count:
                break
    return got


async def test_both_ways_tell_the_same() -> None:
    it = broadcast()
    async with (
        serving(it) as session,
        session.get("/v1/sse/events") as response,
        session.ws_connect("/v1/ws/events") as websocket,
    ):
        assert response.content_type == "text/event-stream"
        hello, over_websocket = (await frames(response, 1))[0], await websocket.receive_json()
        assert hello.body == over_websocket | {"at": hello.body["at"]}
        assert (hello.id, hello.event, hello.body["whole"]) == (f"{BOOT}-0", "hello", True)
        it(ForceRequested("devnet", "control", 2, "alice"))
        it(SourceLost("hermes", "the-secret"))
        force, lost = await frames(response, 2)
        assert (force.id, force.event) == (f"{BOOT}-1", "control")
        assert force.body["type"] == "control"
        assert (lost.body["state"], lost.body["detail"]) == ("lost", "[redacted]")
        assert [force.body, lost.body] == [await websocket.receive_json(), await websocket.receive_json()]


async def test_a_client_of_old_is_told_what_it_needs() -> None:
    it = broadcast()
    async with serving(it) as session:
        reader, writer = await asyncio.open_connection(HOST, session._base_url.port)  # type: ignore[union-attr]
        writer.write(b"GET /v1/sse/events HTTP/1.0\r\nHost: keeper\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            answer = (await reader.read()).decode()
        writer.close()
    assert " 505 " in answer.splitlines()[0]
    assert "a stream needs HTTP/1.1" in answer


async def test_a_keeper_that_stops_tells_all_that_has_happened() -> None:
    it = broadcast()
    async with serving(it) as session, session.get("/v1/sse/events?events=push") as response:
        await frames(response, 1)
        for number in range(1, 101):
            it(final(number))
        it.close()
        assert await frames_of_pushes(response, 100) == list(range(1, 101))


async def test_filters_leave_out_what_is_not_wanted() -> None:
    it = broadcast()
    async with serving(it) as session, session.get("/v1/sse/events?events=push") as response:
        await frames(response, 1)
        it(SourceLost("hermes", "gone"))
        it(PRICE)
        it(final(7))
        (got,) = await frames(response, 1)
        assert (got.event, got.body["push"], got.id) == ("final", 7, f"{BOOT}-3")


@pytest.mark.parametrize("way", ["header", "parameter"])
async def test_who_comes_back_gets_exactly_what_was_missed(way: str) -> None:
    it = broadcast()
    async with serving(it) as session:
        async with session.get("/v1/sse/events?events=push") as response:
            await frames(response, 1)
            it(final(1))
            it(final(2))
            last = (await frames(response, 2))[-1].id
            assert last is not None
        for number in range(3, 8):
            it(final(number))
        await wait_until(lambda: it.hub.newest == 7)
        query, headers = ("", {"Last-Event-ID": last}) if way == "header" else (f"&since={last}", {})
        async with session.get(f"/v1/sse/events?events=push{query}", headers=headers) as response:
            hello, *missed = await frames(response, 6)
            it(final(8))
            missed += await frames(response, 1)
        assert (hello.body["whole"], hello.id) == (True, last)
        assert [each.body["push"] for each in missed] == [3, 4, 5, 6, 7, 8]


async def test_who_comes_back_too_late_is_told_so() -> None:
    it = broadcast(Limits(buffers=Buffers(high=3, medium=3, low=3)))
    async with serving(it) as session:
        for number in range(1, 9):
            it(final(number))
        await wait_until(lambda: it.hub.newest == 8)
        async with session.get(f"/v1/sse/events?since={BOOT}-2") as response:
            hello, *rest = await frames(response, 4)
            assert (hello.body["whole"], hello.body["missed"]) == (False, ["high"])
            assert [each.body["push"] for each in rest] == [6, 7, 8]
        async with session.get("/v1/sse/events?since=0therboot-2") as response:
            (hello,) = await frames(response, 1)
            assert (hello.body["whole"], hello.id) == (False, f"{BOOT}-8")
        async with session.get("/v1/sse/events?last=2") as response:
            assert [each.body["push"] for each in (await frames(response, 3))[1:]] == [7, 8]


async def deaf(port: int) -> socket.socket:
    """A client that asks, and never reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, (HOST, port))
    await loop.sock_sendall(client, f"GET /v1/sse/events HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    return client


async def test_a_client_that_never_reads_is_cut_off_while_another_gets_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listener, "STALL_S", 0.5)
    it, told = broadcast(), 30_000
    async with serving(it) as session, session.get("/v1/sse/events?events=push") as response:
        await frames(response, 1)
        port = session._base_url.port  # type: ignore[union-attr]
        assert port is not None
        with await deaf(port):
            await wait_until(lambda: it.connected[Kind.SSE] == 2)
            got: list[int] = []
            reader = asyncio.create_task(take_pushes(response, told, got))
            for number in range(1, told + 1):
                it(final(number))
                if number % 500 == 0:  # a client that reads is not overrun: it may be behind by fewer than are kept
                    await wait_until(lambda number=number: len(got) == number)  # type: ignore[misc]
            await reader
            assert got == list(range(1, told + 1))
            await wait_until(lambda: it.connected[Kind.SSE] == 1)
        assert it.tally.cut_off == 1


async def frames_of_pushes(response: aiohttp.ClientResponse, count: int) -> list[int]:
    got: list[int] = []
    async with asyncio.timeout(PATIENCE_S):
        await take_pushes(response, count, got)
    return got


async def take_pushes(response: aiohttp.ClientResponse, count: int, got: list[int]) -> None:
    async for each in sse(response):
        assert each.event == "final"
        got.append(each.body["push"])
        if len(got) == count:
            break


async def test_a_slow_client_is_told_how_many_it_lost_and_keeps_what_matters() -> None:
    it = broadcast(Limits(buffers=Buffers(high=1000, medium=10, low=10)))
    async with serving(it) as session:
        port = session._base_url.port  # type: ignore[union-attr]
        assert port is not None
        with await deaf(port) as client:
            await wait_until(lambda: it.connected[Kind.SSE] == 1)
            told = 0
            while not it.tally.dropped:
                it(PRICE)
                told += 1
                if told % 100 == 0:
                    await wait_until(lambda told=told: it.emitted["price"] == told)  # type: ignore[misc]
            for number in range(1, 101):
                it(final(number))
            await wait_until(lambda: it.emitted["final"] == 100)
            text = await read_until(client, b'"push":100,')
        events = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
        data = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
        lost = sum(each["low"] for each in data if each["type"] == "dropped")
        assert events.count("price") + lost == told
        assert lost >= 1
        assert [each["push"] for each in data if each["type"] == "final"] == list(range(1, 101))


async def read_until(client: socket.socket, end: bytes) -> str:
    """The body so far: chunks are lines of their own, and no frame has such a line."""
    loop, got = asyncio.get_running_loop(), b""
    async with asyncio.timeout(PATIENCE_S):
        while end not in got or not got.endswith(b"\n\n\r\n"):
            got += await loop.sock_recv(client, 65_536)
    return got.decode()


async def test_a_client_that_is_gone_gives_its_place_back() -> None:
    it = broadcast(Limits(dict.fromkeys(Kind, 1)))
    async with serving(it) as session:
        for path, kind in (("/v1/sse/events", Kind.SSE), ("/v1/ws/events", Kind.WEBSOCKET)):
            first = await session.get(path, headers=_upgrade(kind))
            await wait_until(lambda kind=kind: it.connected[kind] == 1)  # type: ignore[misc]
            async with session.get(path, headers=_upgrade(kind)) as response:
                assert (response.status, response.headers["Retry-After"]) == (503, "5")
                assert await response.json() == {"error": "there are 1 clients already, and no more are allowed"}
            first.close()
            await wait_until(lambda kind=kind: it.connected[kind] == 0)  # type: ignore[misc]


def _upgrade(kind: Kind) -> dict[str, str]:
    if kind is Kind.SSE:
        return {}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}
    return {"Connection": "Upgrade", "Upgrade": "websocket"} | key


async def test_all_hundred_clients_get_all_sixty_frames_in_order() -> None:
    it = broadcast()
    async with serving(it) as session:

        async def over_sse() -> list[int]:
            async with session.get("/v1/sse/events?events=push") as response:
                await frames(response, 1)
                joined.release()
                return await frames_of_pushes(response, 60)

        async def over_websocket() -> list[int]:
            async with session.ws_connect("/v1/ws/events?events=push") as websocket:
                await websocket.receive_json()
                joined.release()
                return [(await websocket.receive_json())["push"] for _ in range(60)]

        joined = asyncio.Semaphore(0)
        clients = [asyncio.create_task(each()) for each in [over_sse, over_websocket] * 50]
        for _ in clients:
            await joined.acquire()
        for number in range(1, 61):
            it(final(number))
            await wait_until(lambda number=number: it.hub.newest == number)  # type: ignore[misc]
        assert await asyncio.gather(*clients) == [list(range(1, 61))] * 100
        assert it.tally.sent == {Kind.SSE: 3_000, Kind.WEBSOCKET: 3_000}
        assert not it.tally.dropped


async def test_the_end_of_the_keeper_ends_the_streams_in_order() -> None:
    it = broadcast()
    server = Server(stream_routes(it, Watched(), ways=frozenset(Kind), origins=()), host=HOST, port=0, close=it.close)
    async with telling(it), server, aiohttp.ClientSession() as session:
        url = f"http://{HOST}:{server.port}"
        async with session.get(f"{url}/v1/sse/events") as response, session.ws_connect(f"{url}/v1/ws/events") as socket:
            await asyncio.gather(frames(response, 1), socket.receive_json())
            ended = asyncio.create_task(server.stop())
            assert [each async for each in sse(response)] == []  # raises where it is cut off: it ends in order
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            await ended
            assert socket.close_code == aiohttp.WSCloseCode.GOING_AWAY


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("events=pushes", "there are no events 'pushes'"),
        ("network=x", "there is no network 'x'"),
        ("feed=x", "there is no feed 'x'"),
        ("since=x", "'x' is no id of a frame"),
        ("last=x", "last='x' is no whole number"),
        ("types=push", "there is no parameter 'types'"),
    ],
)
async def test_tells_what_is_wrong_with_a_question(query: str, error: str) -> None:
    async with serving(broadcast()) as session:
        for path, kind in (("/v1/sse/events", Kind.SSE), ("/v1/ws/events", Kind.WEBSOCKET)):
            async with session.get(f"{path}?{query}", headers=_upgrade(kind)) as response:
                assert response.status == 400
                assert error in (await response.json())["error"]


async def test_plain_http_is_told_where_to_go() -> None:
    async with serving(broadcast()) as session, session.get("/v1/ws/events") as response:
        assert (response.status, await response.json()) == (
            426,
            {"error": "a WebSocket is wanted: for plain HTTP there is /v1/sse/events"},
        )


async def test_pages_of_other_origins_need_to_be_allowed() -> None:
    async with serving(broadcast()) as session:
        async with session.get("/v1/sse/events", headers={"Origin": OTHER}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await session.ws_connect("/v1/ws/events", headers={"Origin": OTHER})
        async with session.ws_connect("/v1/ws/events", headers={"Origin": str(session._base_url).rstrip("/")}):
            pass


@pytest.mark.parametrize("origins", [(OTHER,), ("*",)])
async def test_pages_of_allowed_origins_may_listen(origins: tuple[str, ...]) -> None:
    async with serving(broadcast(), origins) as session:
        async with session.get("/v1/sse/events", headers={"Origin": OTHER}) as response:
            assert (response.headers["Access-Control-Allow-Origin"], response.headers["Vary"]) == (OTHER, "Origin")
        async with session.ws_connect("/v1/ws/events", headers={"Origin": OTHER}):
            pass


async def test_tells_how_the_streams_do() -> None:
    it = broadcast()
    async with serving(it) as session, session.get("/v1/sse/events") as stream:
        await frames(stream, 1)
        it(final(1))
        await frames(stream, 1)
        async with session.get("/v1/health/streaming") as response:
            body: Any = await response.json()
            assert response.status == 200
        assert body["status"] == "healthy"
        assert body["event_streaming"] == {
            "enabled": True,
            "websocket": {"enabled": True, "connections": 0, "max_connections": 10_000},
            "sse": {"enabled": True, "connections": 1, "max_connections": 10_000},
            "boot": BOOT,
            "newest": f"{BOOT}-1",
        }
        assert body["metrics"] == {
            "events_emitted_total": 1,
            "events_lost_total": 0,
            "websocket_connections": 0,
            "sse_connections": 1,
            "websocket_messages_sent_total": 0,
            "sse_messages_sent_total": 1,
            "messages_dropped_total": {"low": 0, "medium": 0, "high": 0},
            "clients_cut_off_total": 0,
        }
