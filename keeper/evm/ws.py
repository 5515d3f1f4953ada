"""JSON-RPC over WebSocket, one socket at a time."""

import asyncio
import itertools
from collections.abc import Callable, Sequence

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientWebSocketResponse,
    ClientWSTimeout,
    WSServerHandshakeError,
)
from yarl import URL

from keeper.domain.errors import Transient, Uncertain
from keeper.evm.batching import BatchingTransport, Clean
from keeper.evm.connection import Connection
from keeper.evm.inbox import Inbox
from keeper.evm.transport import cannot_connect, http_refusal
from keeper.evm.wire import Call, Response

_HEARTBEAT_S = 5
_CLOSING_S = 1
_MAX_MESSAGE_BYTES = 32 * 2**20


class WsTransport(BatchingTransport):
    """One node over WebSocket."""

    def __init__(self, name: str, url: str, clean: Clean = str) -> None:
        super().__init__(name, clean)
        self._url = URL(url)
        self._session: ClientSession | None = None
        self._connection: Connection | None = None
        self._connections = 0
        self._when_lost: Callable[[], None] = _tell_nobody
        self._connecting = asyncio.Lock()
        self._ids = itertools.count(1)

    @property
    def connection(self) -> int:
        """Counts the sockets; 0 while none is open."""
        return 0 if self._connection is None or self._connection.lost else self._connection.number

    def when_lost(self, tell: Callable[[], None]) -> None:
        """Have it told when a socket ends by itself."""
        self._when_lost = tell

    async def close(self) -> None:
        """Close the socket."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def listen(self, *, timeout_s: float) -> Inbox:
        """Where notifications of subscriptions go that are made over the open socket from now on."""
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self._connected()
        except TimeoutError:
            raise Transient(f"no connection within {timeout_s:g} s") from None
        connection.inbox = Inbox()
        return connection.inbox

    async def _round_trip(self, calls: Sequence[Call], timeout_s: float) -> list[Response]:
        connection, received = None, 0
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self._connected()
                received = connection.received
                return await connection.exchange(calls, [next(self._ids) for _ in calls])
        except TimeoutError:
            if connection is None:
                raise Transient(f"no connection within {timeout_s:g} s") from None
            if connection.received == received:
                connection.abandon()
            raise Uncertain(f"no answer within {timeout_s:g} s") from None

    async def _connected(self) -> Connection:
        async with self._connecting:
            if self._connection is None or self._connection.lost:
                self._connections += 1
                self._connection = Connection(
                    await self._open(),
                    number=self._connections,
                    reader_name=f"rpc {self._name} reader",
                    when_lost=self._when_lost,
                )
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


def _tell_nobody() -> None: ...
