"""What carries JSON-RPC: the protocol both transports keep, and their common words for failures."""

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from aiohttp import ClientConnectorCertificateError, ClientConnectorDNSError, ClientConnectorError, ClientSSLError

from keeper.domain.errors import Throttled, Transient, Uncertain
from keeper.evm.wire import Call, Response

_DEFAULT_REST_S = 1.0
_LONGEST_REST_S = 60.0


class Cut(Uncertain):
    """The connection ended before the answer: a kept connection may end just when it is used, so ask once more."""

    def __init__(self) -> None:
        super().__init__("the connection was cut before the answer")


class ConnectionRefused(Transient):
    """Nobody listens there: to ask again soon is no burden to anybody."""


class Transport(Protocol):
    """A way to one node. It connects by itself, and again when the connection is lost."""

    @property
    def name(self) -> str:
        """The endpoint's name: messages hold it, and never the URL."""
        ...

    @property
    def connection(self) -> int:
        """Which connection is open: another number after each that was lost, and 0 while there is none.

        Always the same where every request may take another one.
        """
        ...

    def when_lost(self, tell: Callable[[], None]) -> None:
        """Have it told when an open connection ends by itself."""
        ...

    async def exchange(self, calls: Sequence[Call], *, timeout_s: float) -> list[Response]:
        """The node's answers, in the order of the calls; their errors are answers too.

        Raises Uncertain when the calls may have reached the node, and of its kinds Cut when the connection ended;
        Throttled when the node asks to slow down; other Transient errors when the calls have not reached it. No
        message holds the endpoint's URL.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection; the next exchange would open another."""
        ...


def cannot_connect(error: ClientConnectorError) -> Transient:
    """Why there is no connection, in words of our own: those of aiohttp hold the host."""
    match error:
        case ClientConnectorDNSError():
            return Transient("cannot connect: its host name is not known")
        case ClientConnectorCertificateError() | ClientSSLError():
            return Transient("cannot connect: TLS fails; check its certificate, and whether it speaks TLS at all")
        case _:
            code = error.os_error.errno
            if code == errno.ECONNREFUSED:
                return ConnectionRefused("cannot connect: connection refused")
            return Transient(f"cannot connect: {os.strerror(code).lower() if code else 'it is not reachable'}")


def http_refusal(status: int, headers: Mapping[str, str]) -> Transient | None:
    """What an HTTP status says by itself about a request that reached no node; None for all other statuses."""
    match status:
        case 429:
            return Throttled("it asks to slow down (HTTP 429)", retry_after_s=_rest(headers.get("Retry-After", "")))
        case 401 | 403:
            return Transient(f"it refuses access (HTTP {status}): check the key in its URL")
        case _:
            return None


def _rest(retry_after: str) -> float:
    try:
        return min(max(float(retry_after), 0.0), _LONGEST_REST_S)
    except ValueError:
        return _DEFAULT_REST_S
