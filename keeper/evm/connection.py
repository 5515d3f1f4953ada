"""An open WebSocket: the requests that wait on it, and the notifications that come over it."""

import asyncio
from collections.abc import Callable, Sequence

from aiohttp import ClientError, ClientWebSocketResponse, WSMsgType

from keeper.domain.errors import Uncertain
from keeper.evm.inbox import Inbox
from keeper.evm.transport import Cut
from keeper.evm.wire import BatchRefused, Call, Response, decode, encode, notice


class Connection:
    """One socket, from its opening to its end."""

    def __init__(
        self, socket: ClientWebSocketResponse, *, number: int, reader_name: str, when_lost: Callable[[], None]
    ) -> None:
        self.number = number
        self.inbox: Inbox | None = None
        """Where notifications go; without one they are dropped."""
        self.received = 0
        """Messages so far."""
        self._socket = socket
        self._when_lost: Callable[[], None] | None = when_lost
        """None once the end is our own wish."""
        self._waiting: dict[int | str | None, asyncio.Future[Response | None]] = {}
        self._let_go = False
        self._reader = asyncio.create_task(self._read(), name=reader_name)

    @property
    def lost(self) -> bool:
        """Whether it is of no use any more."""
        return self._let_go or self._socket.closed or self._reader.done()

    async def exchange(self, calls: Sequence[Call], ids: Sequence[int]) -> list[Response]:
        """The node's answers, in the order of the calls; raises Cut and BatchRefused."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Response | None]] = [loop.create_future() for _ in ids]
        self._waiting.update(zip(ids, futures, strict=True))
        try:
            await self._socket.send_frame(encode(calls, ids), WSMsgType.TEXT)
            responses = [_answered(await future) for future in futures]
        except ClientError:
            raise Cut from None
        finally:
            for number in ids:
                self._waiting.pop(number, None)
        if len(responses) > 1 and responses[0].id is None:
            raise BatchRefused(responses[0])
        return responses

    async def close(self) -> None:
        """Say goodbye, and wait for the end."""
        self._let_go, self._when_lost = True, None
        await self._socket.close()
        await asyncio.wait([self._reader])

    def abandon(self) -> None:
        """End it without waiting: nothing comes from the other side any more."""
        self._let_go = True
        self._reader.cancel()

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    break
                self.received += 1
                for response in decode(message.data):
                    self._deliver(response)
        except Uncertain:
            pass  # nobody can tell whose answer it was: all that wait have lost theirs
        finally:
            self._end()
            await self._socket.close()

    def _end(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_result(None)
        if self.inbox is not None:
            self.inbox.end()
        self._let_go = True
        if self._when_lost is not None:
            self._when_lost()

    def _deliver(self, message: Response) -> None:
        """Hand the message to whom it answers; an error without an id may answer anything that is waiting."""
        if message.method:
            told = notice(message)
            if told is not None and self.inbox is not None:
                self.inbox.put(told)
            return
        nameless = message.id is None and message.error is not None
        futures = self._waiting.values() if nameless else [self._waiting.get(message.id)]
        for future in futures:
            if future is not None and not future.done():
                future.set_result(message)


def _answered(response: Response | None) -> Response:
    if response is None:
        raise Cut
    return response
