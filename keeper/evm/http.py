"""JSON-RPC over HTTP with connections that are kept alive."""

from collections.abc import Callable, Sequence

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from multidict import CIMultiDict
from yarl import URL

from keeper.domain.errors import Transient, Uncertain
from keeper.evm.batching import BatchingTransport, Clean
from keeper.evm.transport import Cut, cannot_connect, http_refusal
from keeper.evm.wire import Call, Response, decode, encode, in_order

_CONNECTIONS = 16
_KEEP_ALIVE_S = 60
_CONNECT_SHARE = 0.8
"""Of the deadline: a connection that takes longer has carried no request, and that shall be told apart."""
_HEADERS = CIMultiDict({"Content-Type": "application/json", "Accept-Encoding": "identity"})


class HttpTransport(BatchingTransport):
    """One node over HTTP."""

    def __init__(self, name: str, url: str, clean: Clean = str) -> None:
        super().__init__(name, clean)
        self._url = URL(url)
        self._session: ClientSession | None = None

    @property
    def connection(self) -> int:
        """Always the same: any request may take another one."""
        return 1

    def when_lost(self, tell: Callable[[], None]) -> None:
        """Kept connections may end at any time: that tells nothing."""

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _round_trip(self, calls: Sequence[Call], timeout_s: float) -> list[Response]:
        ids = range(len(calls))
        return in_order(await self._post(encode(calls, ids), timeout_s), ids)

    async def _post(self, payload: bytes, timeout_s: float) -> list[Response]:
        timeout = ClientTimeout(total=timeout_s, connect=timeout_s * _CONNECT_SHARE)
        try:
            async with self._opened().post(
                self._url, data=payload, headers=_HEADERS, timeout=timeout, allow_redirects=False
            ) as response:
                body = await response.read()
        except ClientConnectorError as exc:
            raise cannot_connect(exc) from None
        except ConnectionTimeoutError:
            raise Transient(f"no connection within {timeout.connect:g} s") from None
        except TimeoutError:
            raise Uncertain(f"no answer within {timeout_s:g} s") from None
        except (ServerDisconnectedError, ClientOSError):
            raise Cut from None
        except ClientError as exc:
            raise Uncertain(f"the answer cannot be read ({type(exc).__name__})") from None
        if refusal := http_refusal(response.status, response.headers):
            raise refusal
        return _read(response.status, body)

    def _opened(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_KEEP_ALIVE_S),
                cookie_jar=DummyCookieJar(),
            )
        return self._session


def _read(status: int, body: bytes) -> list[Response]:
    """The responses in a body: some servers send JSON-RPC errors with other statuses than 200."""
    try:
        return decode(body)
    except Uncertain:
        if status == 200:
            raise
    if status >= 500:
        raise Uncertain(f"HTTP {status}")
    raise Transient(f"HTTP {status} where an answer is due: check the path in its URL")
