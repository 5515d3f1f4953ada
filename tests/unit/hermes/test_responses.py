"""Failures of connections, told in words that give nothing away."""

import errno
import ssl
from collections.abc import Iterator

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http_exceptions import LineTooLong

from keeper.hermes.responses import FOREIGN_ERRORS, failure_of

SECRET = "https://hermes.test/s3cret"
KEY = ConnectionKey("s3cret.test", 443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None)


def refused() -> OSError:
    return OSError(errno.ECONNREFUSED, "Connect call failed ('s3cret', 443)")


def errors() -> Iterator[tuple[Exception, str]]:
    yield LineTooLong(SECRET), "too long"
    yield UnicodeDecodeError("utf8", SECRET.encode(), 0, 1, SECRET), "not text"
    yield TimeoutError(SECRET), "in time"
    yield aiohttp.ConnectionTimeoutError(SECRET), "in time"
    yield aiohttp.ClientConnectorDNSError(KEY, OSError(-2, SECRET)), "does not resolve"
    yield aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, SECRET)), "TLS failed"
    yield aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError(SECRET)), "TLS failed"
    yield aiohttp.InvalidURL(SECRET), "not a URL"
    yield aiohttp.NonHttpUrlClientError(SECRET), "not a URL"
    yield aiohttp.ServerDisconnectedError(SECRET), "closed the connection"
    yield aiohttp.ClientPayloadError(SECRET), "broke off"
    yield aiohttp.ClientConnectorError(KEY, refused()), "Connection refused"
    yield ConnectionResetError(errno.ECONNRESET, SECRET), "Connection reset"
    yield aiohttp.ClientError(SECRET), "ClientError"
    yield OSError(SECRET), "OSError"


@pytest.mark.parametrize(("error", "words"), [pytest.param(*each, id=type(each[0]).__name__) for each in errors()])
def test_tells_the_cause_and_no_secret(error: Exception, words: str) -> None:
    assert isinstance(error, FOREIGN_ERRORS)
    failure = failure_of(error)
    assert words in str(failure)
    assert "s3cret" not in repr(failure)
