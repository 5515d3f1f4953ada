"""The stage on which a program is measured: this process plays Hermes and the RPC node, and holds the only clock.

Plain blocking writes and one selector, so that nothing of our own stands between a byte and its timestamp: whatever has
arrived is read, and its time taken, before any answer is worked out.
"""

import re
import selectors
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from time import perf_counter

from bench.events import PER_CONNECTION, PriceEvent
from bench.node import ScriptedNode

_RECEIVE_BYTES = 2**20
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_FIRST_FEED = re.compile(rb"ids(?:\[\]|%5B%5D)=(?:0x)?([0-9a-f]{64})")
_RAW_TRANSACTION = b"eth_sendRawTransaction"


class Reception(selectors.DefaultSelector):
    """All sockets, and the answers that are still owed."""

    def __init__(self) -> None:
        super().__init__()
        self.owed: deque[Callable[[], None]] = deque()

    def turn(self, timeout_s: float) -> None:
        """Take in what has arrived, then give one answer."""
        for key, _ in self.select(0 if self.owed else timeout_s):
            key.data()
        if self.owed:
            self.owed.popleft()()


class Stage:
    """Serves the stream, the latest prices and the chain to one program, on one port."""

    def __init__(self, selector: Reception, node: ScriptedNode, opening: PriceEvent) -> None:
        self.node = node
        self.received_at: float | None = None
        """When the last raw transaction was complete, in seconds of `perf_counter`."""
        self._feeds = tuple(node.prices)
        self._selector = selector
        self._latest = opening
        self._streams: dict[int, socket.socket] = {}
        """By the part of the feeds that they carry."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = [self._listener]
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    @property
    def address(self) -> str:
        """Host and port."""
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    @property
    def streams(self) -> bool:
        """Whether the program listens to all of the stream."""
        return len(self._streams) == len(self._latest.bodies)

    def publish(self, event: PriceEvent) -> float:
        """Write an event; returns when that began, in seconds of `perf_counter`.

        Not when it ended: by then the kernel may already have let the program run in our place.
        """
        self._latest, self.received_at = event, None
        writes = [(stream.sendall, event.chunk(part)) for part, stream in self._streams.items()]
        started_at = perf_counter()
        for write, chunk in writes:
            write(chunk)
        return started_at

    def close(self) -> None:
        """Close all sockets."""
        for connection in self._connections:
            if connection.fileno() >= 0:
                self._selector.unregister(connection)
                connection.close()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections.append(connection)
        self._selector.register(connection, selectors.EVENT_READ, self._reader(connection))

    def _reader(self, connection: socket.socket) -> Callable[[], None]:
        buffer = bytearray()

        def read() -> None:
            received = connection.recv(_RECEIVE_BYTES)
            if not received:
                self._selector.unregister(connection)
                connection.close()
                return
            buffer.extend(received)
            while (size := _request_bytes(buffer)) is not None:
                request = bytes(buffer[:size])
                del buffer[:size]
                if _RAW_TRANSACTION in request:
                    self.received_at = perf_counter()
                self._selector.owed.append(partial(self._reply, connection, request))

        return read

    def _reply(self, connection: socket.socket, request: bytes) -> None:
        if connection.fileno() >= 0:
            connection.sendall(self._answer(connection, request))

    def _answer(self, connection: socket.socket, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        if head.startswith(b"GET /v2/updates/price/stream"):
            part = self._part(head)
            self._streams[part] = connection
            return _STREAM_HEAD + self._latest.chunk(part)
        answer = self._latest.bodies[self._part(head)] if head.startswith(b"GET ") else self.node.answer(body)
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
            len(answer),
            answer,
        )

    def _part(self, head: bytes) -> int:
        """Which part of the feeds a request is for; those who ask without naming any want the first."""
        asked = _FIRST_FEED.search(head)
        return self._feeds.index(asked[1].decode()) // PER_CONNECTION if asked else 0


def _request_bytes(buffer: bytearray) -> int | None:
    """The length of the first request in the buffer, or None while it is not complete."""
    head_end = buffer.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    body_bytes = 0
    for line in bytes(buffer[:head_end]).lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            body_bytes = int(value)
    size = head_end + 4 + body_bytes
    return size if len(buffer) >= size else None


def turn_until(selector: Reception, condition: Callable[[], object], *, timeout_s: float) -> None:
    """Serve until the condition holds; raises TimeoutError."""
    deadline = perf_counter() + timeout_s
    while not condition():
        left = deadline - perf_counter()
        if left <= 0:
            raise TimeoutError
        selector.turn(min(left, 0.05))


def turn_for(selector: Reception, seconds: float) -> None:
    """Serve for a while."""
    deadline = perf_counter() + seconds
    while (left := deadline - perf_counter()) > 0:
        selector.turn(left)
