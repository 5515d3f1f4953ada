"""JSON-RPC 2.0 as it stands on the wire, whatever carries it, and Ethereum's hex conventions."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from keeper.domain.errors import Transient, Uncertain
from keeper.domain.nesting import refuse_deep_nesting


class Call(NamedTuple):
    """One request: a method and its parameters."""

    method: str
    params: tuple[object, ...] = ()


class ErrorAnswer(msgspec.Struct, frozen=True):
    """What a node says instead of a result."""

    code: int = 0
    message: str = ""
    data: Any = None


class Response(msgspec.Struct, frozen=True):
    """One message of a node: the answer to a call (a result, which may be null, or an error), or a notification."""

    id: int | str | None = None
    result: Any = msgspec.UNSET
    error: ErrorAnswer | None = None
    method: str = ""
    """Only notifications have one."""
    params: msgspec.Raw = msgspec.Raw()
    """What a notification tells, undecoded."""

    def __post_init__(self) -> None:
        if self.error is None and self.result is msgspec.UNSET and not self.method:
            raise ValueError("neither a result nor an error")


class Notice(msgspec.Struct, frozen=True):
    """What a subscription tells."""

    subscription: str
    result: Any


class BatchRefused(Exception):
    """A single object answers a batch: the node takes none, or none of this size."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


class _Request(msgspec.Struct):
    id: int
    method: str
    params: tuple[object, ...]
    jsonrpc: str = "2.0"


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Response | list[Response]] = msgspec.json.Decoder(Response | list[Response])

_notice_decoder = msgspec.json.Decoder(Notice)


def encode(calls: Sequence[Call], ids: Sequence[int]) -> bytes:
    """One object for one call, a batch for several."""
    requests = [_Request(number, call.method, call.params) for number, call in zip(ids, calls, strict=True)]
    return _encoder.encode(requests[0] if len(requests) == 1 else requests)


def decode(body: bytes | str) -> list[Response]:
    """Every message in a body; raises Uncertain for anything that is not JSON-RPC."""
    try:
        refuse_deep_nesting(body)
        answered = _decoder.decode(body)
    except ValueError as exc:
        raise Uncertain("the answer is not JSON-RPC") from exc
    return answered if isinstance(answered, list) else [answered]


def notice(message: Response) -> Notice | None:
    """What a subscription tells by this message; None for any other, and for one that cannot be read."""
    if message.method != "eth_subscription":
        return None
    try:
        return _notice_decoder.decode(message.params)
    except ValueError:
        return None


def in_order(responses: Sequence[Response], ids: Sequence[int]) -> list[Response]:
    """The responses to the ids, in their order; raises BatchRefused, and Uncertain where one is missing."""
    if len(responses) == 1:  # its id may be null: a node that cannot read a request does not know its id
        if len(ids) > 1:
            raise BatchRefused(responses[0])
        return list(responses)
    found = {response.id: response for response in responses}
    try:
        return [found[number] for number in ids]
    except KeyError as exc:
        raise Uncertain("the answer is incomplete") from exc


def to_hex(data: bytes) -> str:
    """Bytes as JSON-RPC writes them."""
    return "0x" + data.hex()


def quantity(value: object) -> int:
    """Read a number such as "0x1f"; raises Transient for anything else."""
    try:
        return int(_digits(value), 16)
    except ValueError as exc:
        raise Transient(f"the node answers {str(value)[:40]!r} where a number is due") from exc


def octets(value: object) -> bytes:
    """Read bytes such as "0x1f"; raises Transient for anything else."""
    try:
        return bytes.fromhex(_digits(value))
    except ValueError as exc:
        raise Transient(f"the node answers {str(value)[:40]!r} where bytes are due") from exc


def _digits(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError
    return value[2:]
