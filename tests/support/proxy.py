"""A TCP proxy that delivers what clients send and, when told to, swallows the answer and cuts the connection."""

import asyncio
from types import TracebackType
from typing import Self

_CHUNK = 2**16


class CuttingProxy:
    """In front of a port of loopback, inside an `async with`."""

    def __init__(self, port: int) -> None:
        self._upstream_port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self.cuts_left = 0
        """So many answers are swallowed."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self._upstream_port)
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
            if answers and self.cuts_left:
                self.cuts_left -= 1
                return
            target.write(chunk)
            await target.drain()
