"""JSON-RPC over one WebSocket: requests and answers are told apart by their ids."""

import asyncio
import itertools
from collections.abc import Sequence

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientWebSocketResponse,
    ClientWSTimeout,
    WSMsgType,
    WSServerHandshakeError,
)
from yarl import URL

from keeper.domain.errors import Transient, Uncertain
from keeper.evm.batching import BatchingTransport
from keeper.evm.transport import Cut, cannot_connect, http_refusal
from keeper.evm.wire import BatchRefused, Call, Response, decode, encode

_HEARTBEAT_S = 5
_CLOSING_S = 1
_MAX_MESSAGE_BYTES = 32 * 2**20


class WsTransport(BatchingTransport):
    """One node over WebSocket."""

    def __init__(self, name: str, url: str) -> None:
        super().__init__(name)
        self._url = URL(url)
        self._session: ClientSession | None = None
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()
        self._ids = itertools.count(1)

    async def close(self) -> None:
        """Close the socket."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _round_trip(self, calls: Sequence[Call], timeout_s: float) -> list[Response]:
        connection = None
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self._connected()
                return await connection.exchange(calls, [next(self._ids) for _ in calls])
        except TimeoutError:
            if connection is None:
                raise Transient(f"no connection within {timeout_s:g} s") from None
            raise Uncertain(f"no answer within {timeout_s:g} s") from None

    async def _connected(self) -> "_Connection":
        async with self._connecting:
            if self._connection is None or self._connection.lost:
                self._connection = _Connection(await self._open(), reader_name=f"rpc {self._name} reader")
            return self._connection

    async def _open(self) -> ClientWebSocketResponse:
        if self._session is None:
            self._session = ClientSession()
        try:
            return await self._session.ws_connect(
                self._url,
                heartbeat=_HEARTBEAT_S,
                timeout=ClientWSTimeout(ws_close=_CLOSING_S),
                max_msg_size=_MAX_MESSAGE_BYTES,
            )
        except ClientConnectorError as exc:
            raise cannot_connect(exc) from None
        except WSServerHandshakeError as exc:
            refusal = http_refusal(exc.status, exc.headers or {})
            raise refusal or Transient(f"HTTP {exc.status} where a WebSocket is due: check its URL") from None
        except ClientError as exc:
            raise Transient(f"cannot open a WebSocket ({type(exc).__name__})") from None


class _Connection:
    """An open socket with the requests that wait on it."""

    def __init__(self, socket: ClientWebSocketResponse, *, reader_name: str) -> None:
        self._socket = socket
        self._waiting: dict[int | str | None, asyncio.Future[Response | None]] = {}
        self._reader = asyncio.create_task(self._read(), name=reader_name)

    @property
    def lost(self) -> bool:
        """Whether it is of no use any more."""
        return self._socket.closed or self._reader.done()

    async def exchange(self, calls: Sequence[Call], ids: Sequence[int]) -> list[Response]:
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
        await self._socket.close()
        await self._reader

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    break
                for response in decode(message.data):
                    self._settle(response)
        except Uncertain:
            pass  # nobody can tell whose answer it was: all that wait have lost theirs
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_result(None)
            await self._socket.close()

    def _settle(self, response: Response) -> None:
        """Hand the response to whom it answers; an error without an id may answer anything that is waiting."""
        nameless = response.id is None and response.error is not None
        futures = self._waiting.values() if nameless else [self._waiting.get(response.id)]
        for future in futures:
            if future is not None and not future.done():
                future.set_result(response)


def _answered(response: Response | None) -> Response:
    if response is None:
        raise Cut
    return response
