"""Clients of the event streams, in a process of their own: `python -m bench.listeners HOST:PORT CLIENTS QUERY`.

Says `ready` once all of them have been greeted, and at the end of its input what they got, as JSON.
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from typing import cast

import uvloop

_PER_ADDRESS = 400
"""Clients of one address: the keeper limits requests by address."""
_AT_ONCE = 100
_FRAME = re.compile(rb'"type":"(\w+)","id":"\w+-(\d+)","at":([\d.]+)')
_PING, _PONG = b"\x89\x00", b"\x8a\x80\x00\x00\x00\x00"
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_UPGRADE = f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {_KEY}\r\nSec-WebSocket-Version: 13\r\n"


@dataclass(slots=True)
class Tally:
    """What all clients of this process got."""

    greeted: int = 0
    ended: int = 0
    frames: int = 0
    missing: int = 0
    """By their numbers, for clients that asked for everything."""
    dropped: int = 0
    expected: int | None = None
    """Clients that are to be greeted."""
    all_greeted: asyncio.Event = field(default_factory=asyncio.Event)
    lags_s: dict[int, list[float]] = field(default_factory=dict)
    """Of each `sent`, from its time to that at which each client had it."""

    def note_greetings(self) -> None:
        """Tell once all were greeted."""
        if self.greeted == self.expected:
            self.all_greeted.set()


class Client(asyncio.Protocol):
    """Reads, and counts by number."""

    def __init__(self, request: bytes, tally: Tally) -> None:
        self._request = request
        self._tally = tally
        self._left = b""
        self._newest: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now, tally, end = time.time(), self._tally, 0
        if _PING in data:
            self._transport.write(_PONG)
        text = self._left + data
        for found in _FRAME.finditer(text):
            end = found.end()
            type_, number = found[1], int(found[2])
            if type_ == b"hello":
                tally.greeted += 1
                tally.note_greetings()
            else:
                tally.frames += 1
                tally.missing += 0 if self._newest is None else number - self._newest - 1
                if type_ == b"sent":
                    tally.lags_s.setdefault(number, []).append(now - float(found[3]))
            self._newest = number
        tally.dropped += text.count(b'"type":"dropped"', max(0, len(self._left) - 16))
        self._left = text[max(end, len(text) - 128) :]

    def connection_lost(self, _exc: Exception | None) -> None:
        self._tally.ended += 1


async def listen(host: str, port: int, clients: int, query: str, tally: Tally) -> None:
    """Connect them all, by both ways in turn."""
    loop = asyncio.get_running_loop()
    for first in range(0, clients, _AT_ONCE):
        connecting = []
        for number in range(first, min(first + _AT_ONCE, clients)):
            way, upgrade = ("ws", _UPGRADE) if number % 2 else ("sse", "")
            request = f"GET /v1/{way}/events?{query} HTTP/1.1\r\nHost: {host}\r\n{upgrade}\r\n".encode()
            address = f"127.0.{1 + number // _PER_ADDRESS}.{1 + _own_number()}"
            made = loop.create_connection(
                lambda request=request: Client(request, tally),  # type: ignore[misc]
                host,
                port,
                local_addr=(address, 0),
            )
            connecting.append(made)
        await asyncio.gather(*connecting)
    tally.expected = clients
    tally.note_greetings()
    await tally.all_greeted.wait()


def _own_number() -> int:
    return int(sys.argv[4]) if len(sys.argv) > 4 else 0


async def main() -> None:
    host, _, port = sys.argv[1].partition(":")
    clients, query, tally = int(sys.argv[2]), sys.argv[3], Tally()
    await listen(host, int(port), clients, query, tally)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    told = {
        "frames": tally.frames,
        "missing": tally.missing,
        "dropped": tally.dropped,
        "ended": tally.ended,
        "lags_s": tally.lags_s,
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
