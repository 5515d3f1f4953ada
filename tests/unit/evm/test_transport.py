"""What transports make of connections that fail and of HTTP statuses."""

import pytest
from aiohttp import ClientConnectorDNSError, ClientConnectorError
from aiohttp.client_reqrep import ConnectionKey

from keeper.domain.errors import Throttled
from keeper.evm.transport import cannot_connect, http_refusal

HOST = ConnectionKey(
    "key-8a1d.node.example", 443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ClientConnectorDNSError(HOST, OSError(-2, "Name or service not known")), "its host name is not known"),
        (ClientConnectorError(HOST, ConnectionRefusedError(111, "Connect call failed")), "connection refused"),
        (ClientConnectorError(HOST, OSError(f"Multiple exceptions: {HOST.host}")), "it is not reachable"),
    ],
)
def test_says_why_there_is_no_connection_without_the_host(error: ClientConnectorError, said: str) -> None:
    assert str(cannot_connect(error)) == f"cannot connect: {said}"


@pytest.mark.parametrize(
    ("retry_after", "rest_s"),
    [("7", 7), ("0.5", 0.5), ("86400", 60), ("-1", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 1), (None, 1)],
)
def test_takes_retry_after_within_reason(retry_after: str | None, rest_s: float) -> None:
    refusal = http_refusal(429, {} if retry_after is None else {"Retry-After": retry_after})
    assert isinstance(refusal, Throttled)
    assert refusal.retry_after_s == rest_s


def test_other_statuses_say_nothing_by_themselves() -> None:
    assert http_refusal(200, {}) is http_refusal(404, {}) is http_refusal(500, {}) is None
