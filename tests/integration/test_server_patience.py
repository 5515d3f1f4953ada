"""Clients that say nothing, or say it slowly, or are too many, on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from keeper.server import overview
from keeper.server.app import Server
from keeper.server.event_metrics import EventMetrics
from keeper.server.gate import Patience
from keeper.server.orders import OrderRoutes
from tests.support.clock import LoopClock
from tests.support.orders import FakeOrders
from tests.support.status import Watched
from tests.support.waiting import PATIENCE_S

HOST = "127.0.0.1"
LONG = Patience(headers_s=60, body_s=60, keepalive_s=60)
SHORT_S = 0.2
IN_TIME_S = 2.0
"""Far more than a request takes that is sent as soon as the connection is there."""
GET = b"GET /health/live HTTP/1.1\r\nHost: keeper\r\n\r\n"
POST = GET.replace(b"GET /health/live", b"POST /v1/pause").replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n")


@asynccontextmanager
async def server(patience: Patience) -> AsyncIterator[int]:
    watched = Watched()
    control = OrderRoutes(watched, FakeOrders(), LoopClock(), token=lambda: "correct-horse-battery", asked=lambda: None)
    routes = [*overview.routes(watched, EventMetrics()), *control.routes()]
    async with Server(routes, host=HOST, port=0, patience=patience) as running:
        yield running.port


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other side closes; fails the test where that is not soon."""
    async with asyncio.timeout(PATIENCE_S):
        try:
            return await reader.read()
        except ConnectionResetError:  # it was closed while more was on the way
            return b""


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The status line and headers of the next answer, and its body."""
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        return head + await reader.readexactly(length)


@pytest.mark.parametrize("begun", [b"", b"GET /health/live HTT", GET[:-2]])
async def test_whoever_does_not_finish_its_headers_is_let_go(begun: bytes) -> None:
    async with server(replace(LONG, headers_s=SHORT_S)) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(begun)
        assert await ended(reader) == b""
        writer.close()


async def test_headers_that_trickle_do_not_put_off_the_end() -> None:
    async with server(replace(LONG, headers_s=SHORT_S)) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        end = asyncio.create_task(ended(reader))
        sent = 0
        while not end.done():
            writer.write(b"X-Slow: 1\r\n" if sent else b"GET / HTTP/1.1\r\n")
            sent += 1
            await asyncio.wait([end], timeout=SHORT_S / 10)
        assert end.result() == b""
        writer.close()


async def test_a_body_that_does_not_come_is_answered_with_408() -> None:
    async with server(replace(LONG, body_s=SHORT_S)) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(POST + b"{")
        assert (await answer(reader)).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_a_kept_connection_that_asks_nothing_more_is_closed() -> None:
    async with server(replace(LONG, keepalive_s=SHORT_S)) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(GET)
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
        assert await ended(reader) == b""
        writer.close()


async def test_a_kept_connection_does_not_wait_for_the_headers_of_a_further_request() -> None:
    async with server(replace(LONG, keepalive_s=SHORT_S)) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(GET)
        await answer(reader)
        writer.write(GET[:-2])
        assert await ended(reader) == b""
        writer.close()


async def test_a_request_in_time_is_answered_and_its_connection_outlives_the_deadline_for_headers() -> None:
    async with server(replace(LONG, headers_s=IN_TIME_S)) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(GET)
        await answer(reader)
        silent_reader, silent_writer = await asyncio.open_connection(HOST, port)
        assert await ended(silent_reader) == b""
        writer.write(GET)
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
        for each in (writer, silent_writer):
            each.close()


async def test_connections_beyond_the_limit_are_closed_until_others_end() -> None:
    async with server(replace(LONG, connections=2)) as port:
        held = [await asyncio.open_connection(HOST, port) for _ in range(2)]
        for reader, writer in held:
            writer.write(GET)
            await answer(reader)
        reader, writer = await asyncio.open_connection(HOST, port)
        assert await ended(reader) == b""
        writer.close()
        held[0][1].close()
        await held[0][1].wait_closed()
        assert await served(port)
        held[1][1].close()


async def served(port: int) -> bool:
    """Whether a new connection is answered, soon."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(GET)
            head = b""
            with suppress(ConnectionResetError):  # it was closed before it was asked
                head = await reader.read(12)
            writer.close()
            if head == b"HTTP/1.1 200":
                return True


async def test_bytes_that_are_no_http_are_refused_without_a_word_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with server(LONG) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n")
        assert (await ended(reader)).startswith(b"HTTP/1.0 400 ")
        writer.close()
    assert caplog.records == []
