"""A running Hermes simulator, and raw clients that show its bytes as they come."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from keeper.lab.hermes import HermesSimulator, SimulatorConfig
from tests.support.pnau import Pnau, read_pnau

STREAM = "/v2/updates/price/stream"
LATEST = "/v2/updates/price/latest"
NOON = 1_700_000_000

_TIMEOUT_S = 30.0


class SetClock:
    """Unix seconds that stand still until they are set."""

    def __init__(self) -> None:
        self.now = float(NOON)

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def running(config: SimulatorConfig, clock: SetClock | None = None) -> AsyncIterator[HermesSimulator]:
    """A simulator that serves on a free port of loopback."""
    simulator = HermesSimulator(config, clock=clock) if clock else HermesSimulator(config)
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()


def asking(path: str, ids: Sequence[str], **parameters: str) -> str:
    """The path with its query, brackets unescaped as most clients send them."""
    query = [f"ids[]={feed_id}" for feed_id in ids] + [f"{name}={value}" for name, value in parameters.items()]
    return f"{path}?{'&'.join(query)}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class RawClient:
    """One connection with one request on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = b""
        self.status = 0
        self.headers: dict[str, str] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, target: str, *, headers: str = "", method: str = "GET", body: bytes = b""
    ) -> AsyncIterator[Self]:
        """Send a request and read the head of its response."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        client = cls(reader, writer)
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n{length}{headers}\r\n".encode() + body)
        try:
            await client._read_head()
            yield client
        finally:
            writer.close()

    async def frame(self) -> bytes:
        """The next server-sent event or comment with its blank line; b"" when the stream has ended."""
        async with asyncio.timeout(_TIMEOUT_S):
            while b"\n\n" not in self._buffer:
                chunk = await self._chunk()
                if not chunk:
                    return b""
                self._buffer += chunk
        frame, _, self._buffer = self._buffer.partition(b"\n\n")
        return frame + b"\n\n"

    async def event(self) -> dict[str, Any]:
        """The next frame, which must be a price event."""
        frame = await self.frame()
        assert frame.startswith(b"data:{"), frame[:200]
        update: dict[str, Any] = json.loads(frame.removeprefix(b"data:"))
        return update

    async def answer(self) -> Answer:
        """The whole response."""
        async with asyncio.timeout(_TIMEOUT_S):
            body = await self._reader.readexactly(int(self.headers["content-length"]))
        return Answer(self.status, self.headers, body)

    async def closed(self) -> bool:
        """Whether the server closes the connection, rather than keeping it for another request."""
        async with asyncio.timeout(_TIMEOUT_S):
            return await self._reader.read(1) == b""

    async def _read_head(self) -> None:
        async with asyncio.timeout(_TIMEOUT_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.status = int(head[0].split()[1])
        pairs = (line.partition(": ") for line in head[1:] if line)
        self.headers = {name.lower(): value for name, _, value in pairs}

    async def _chunk(self) -> bytes:
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        return (await self._reader.readexactly(size + 2))[:-2]


async def get(url: str, target: str, *, headers: str = "") -> Answer:
    """One GET request."""
    async with RawClient.open(url, target, headers=headers) as client:
        return await client.answer()


async def post_control(url: str, body: bytes) -> Answer:
    """One control request."""
    async with RawClient.open(url, "/control", method="POST", body=body) as client:
        return await client.answer()


def updates_of(answer: dict[str, Any]) -> list[Pnau]:
    """The binary part of a price answer in hex, taken apart."""
    assert answer["binary"]["encoding"] == "hex"
    return [read_pnau(bytes.fromhex(text)) for text in answer["binary"]["data"]]
