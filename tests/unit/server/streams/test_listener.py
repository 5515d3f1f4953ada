"""One client: it gets what it takes, hears that the stream lives, and is cut off where it takes nothing."""

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from keeper.server.streams.frame_parts import Priority
from keeper.server.streams.hub import Backlog, Buffers
from keeper.server.streams.listener import HEARTBEAT_S, STALL_S, Kind, Listener, Tally
from keeper.server.streams.topics import Wanted
from tests.support.streaming import message

pytestmark = pytest.mark.looptime

FULL_BYTES = 10**6


class Socket:
    """A transport whose client reads when the test lets it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.unread_bytes = 0
        self.aborted = self.closing = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.aborted = True


class Client:
    """A listener with its socket."""

    def __init__(self, kind: Kind = Kind.SSE) -> None:
        self.socket, self.tally = Socket(), Tally()
        backlog = Backlog(Wanted(), Buffers(high=3, medium=2, low=1))
        self.listener = Listener(kind, cast("asyncio.Transport", self.socket), backlog, self.tally)
        self.listener.flush(0.0 + HEARTBEAT_S)

    def written(self) -> list[bytes]:
        written, self.socket.written = self.socket.written, []
        return written


async def test_hears_that_the_stream_lives_only_while_nothing_else_comes() -> None:
    it, now = Client(), HEARTBEAT_S
    it.written()
    it.listener.flush(now + HEARTBEAT_S - 1)
    assert it.written() == []
    it.listener.offer(message(1))
    it.listener.flush(now + HEARTBEAT_S - 1)
    assert it.written() == [b"1"]
    it.listener.flush(now + HEARTBEAT_S + 1)
    assert it.written() == []
    it.listener.flush(now + 2 * HEARTBEAT_S)
    assert it.written() == [b"3\r\n:\n\n\r\n"]


async def test_gets_frames_that_waited_at_once_and_in_order() -> None:
    it = Client(Kind.WEBSOCKET)
    for number, type_ in enumerate(("plan", "price", "rpc"), start=1):
        it.listener.offer(message(number, type_))
    it.listener.flush(20)
    assert it.written() == [b"123"]
    assert it.tally.sent == {Kind.WEBSOCKET: 3}


async def test_is_told_what_it_lost_before_anything_else() -> None:
    it = Client()
    it.written()
    it.socket.unread_bytes = FULL_BYTES
    for number in range(1, 4):
        it.listener.offer(message(number, "price"))
    it.listener.flush(20)
    assert it.written() == []
    it.socket.unread_bytes = 0
    it.listener.flush(21)
    dropped, frames = it.written()
    assert b'data: {"type":"dropped","low":2,"medium":0,"high":0}\n' in dropped
    assert b"id:" not in dropped
    assert frames == b"3"
    assert it.tally.dropped == {Priority.LOW: 2}


async def test_is_cut_off_where_it_takes_nothing_for_too_long() -> None:
    it = Client()
    it.socket.unread_bytes = FULL_BYTES
    it.listener.flush(20)
    it.listener.flush(20 + STALL_S - 0.1)
    assert (it.socket.aborted, it.listener.gone.done()) == (False, False)
    it.listener.flush(20 + STALL_S)
    assert (it.socket.aborted, it.listener.gone.done(), it.tally.cut_off) == (True, True, 1)


async def test_may_be_slow_for_a_while_again_and_again() -> None:
    it = Client()
    for now in range(20, 60, 8):
        it.socket.unread_bytes = FULL_BYTES
        it.listener.flush(now)
        it.socket.unread_bytes = 0
        it.listener.flush(now + 7)
    assert not it.socket.aborted


async def test_is_written_nothing_once_it_has_to_go() -> None:
    it = Client()
    it.written()
    it.listener.leave()
    it.listener.offer(message(1))
    it.listener.flush(20)
    assert it.written() == []


async def test_leaves_when_its_connection_does() -> None:
    it = Client()
    it.socket.closing = True
    it.listener.flush(20)
    assert it.listener.gone.done()


async def test_a_client_that_reads_slowly_but_always_is_never_cut_off() -> None:
    it = Client()
    for second in range(10 * int(STALL_S)):
        it.socket.unread_bytes = FULL_BYTES - second
        it.listener.flush(float(second))
    assert not it.socket.aborted


async def test_is_handed_no_more_than_a_little_at_once_however_large_frames_are() -> None:
    it = Client()
    it.written()
    large = replace(message(1), sse=b"x" * FULL_BYTES)
    for _ in range(3):
        it.listener.offer(large)
    it.socket.write = lambda data: it.socket.__setattr__("unread_bytes", it.socket.unread_bytes + len(data))  # type: ignore[method-assign]
    it.listener.flush(20)
    assert it.socket.unread_bytes == FULL_BYTES
