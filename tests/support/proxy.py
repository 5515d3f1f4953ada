"""A TCP proxy in front of a port of loopback: it refuses, swallows, cuts and falls silent as it is told."""

import asyncio
from types import TracebackType
from typing import Self

from tests.support.ports import free_port

_CHUNK = 2**16
_HOST = "127.0.0.1"


class FaultyProxy:
    """Inside an `async with`; may be stopped and started again at the same port."""

    def __init__(self, port: int) -> None:
        self._upstream_port = port
        self._port = free_port()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._audible = asyncio.Event()
        self._audible.set()
        self.cuts_left = 0
        """So many answers are swallowed, and their connections cut."""
        self.held = 0
        """Pieces that came while it was silent."""

    @property
    def url(self) -> str:
        """JSON-RPC over HTTP."""
        return f"http://{_HOST}:{self._port}"

    @property
    def ws_url(self) -> str:
        """JSON-RPC over WebSocket."""
        return f"ws://{_HOST}:{self._port}"

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._tasks)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, _HOST, self._port)

    async def stop(self) -> None:
        """Refuse connections, and cut those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.cut()

    async def cut(self) -> None:
        """End all open connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def fall_silent(self) -> None:
        """Let connect, keep connections open, and pass nothing on any more: neither there nor back."""
        self._audible.clear()

    def speak_again(self) -> None:
        """Pass on what comes, and what came meanwhile."""
        self._audible.set()

    def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, client), name="proxy connection")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream = await asyncio.open_connection(_HOST, self._upstream_port)
        except OSError:
            client.transport.abort()
            return
        pumps = [
            asyncio.create_task(self._pump(client_reader, upstream), name="proxy to upstream"),
            asyncio.create_task(self._pump(upstream_reader, client, answers=True), name="proxy to client"),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            client.transport.abort()
            upstream.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, answers: bool = False) -> None:
        while chunk := await source.read(_CHUNK):
            self.held += not self._audible.is_set()
            await self._audible.wait()
            if answers and self.cuts_left:
                self.cuts_left -= 1
                return
            target.write(chunk)
            await target.drain()
