"""What nodes answer, as far as the keeper reads it."""

from typing import TypeVar

import msgspec

from keeper.domain.errors import Transient
from keeper.domain.units import Gas, Wei
from keeper.evm.wire import Call, Response, octets, quantity
from keeper.ports import Head


class Header(msgspec.Struct, frozen=True, rename="camel"):
    """A block without its transactions."""

    number: str
    hash: str
    parent_hash: str
    timestamp: str
    gas_limit: str
    base_fee_per_gas: str | None = None


class Log(msgspec.Struct, frozen=True, rename="camel"):
    """An event."""

    address: str
    topics: tuple[str, ...]
    data: str


class PlacedLog(Log, frozen=True, rename="camel", kw_only=True):
    """An event, and where it stands."""

    log_index: str
    block_number: str
    block_hash: str
    transaction_hash: str
    removed: bool = False


class Receipt(msgspec.Struct, frozen=True, rename="camel"):
    """Of a mined transaction."""

    block_number: str
    block_hash: str
    status: str
    gas_used: str
    logs: tuple[Log, ...]
    effective_gas_price: str = "0x0"
    l1_fee: str | None = None


Shape = TypeVar("Shape", Header, PlacedLog, Receipt)


def read(result: object, shape: type[Shape]) -> Shape:
    """The result in its shape; raises Transient where something is missing."""
    try:
        return msgspec.convert(result, shape)
    except msgspec.ValidationError as exc:
        raise Transient(f"the node answers with an incomplete {shape.__name__.lower()}: {exc}") from exc


def read_all(result: object, shape: type[Shape]) -> list[Shape]:
    """A list of such; raises Transient likewise."""
    if not isinstance(result, list):
        raise Transient(f"the node answers {str(result)[:40]!r} where a list is due")
    return [read(each, shape) for each in result]


def head_of(header: Header) -> Head:
    """The header in our own terms; raises Transient where it makes no sense."""
    return Head(
        number=quantity(header.number),
        hash=octets(header.hash),
        parent=octets(header.parent_hash),
        timestamp=quantity(header.timestamp),
        base_fee=None if header.base_fee_per_gas is None else Wei(quantity(header.base_fee_per_gas)),
        gas_limit=Gas(quantity(header.gas_limit)),
    )


def newest_block(call: Call, response: Response) -> int | None:
    """The number of the newest block, where the response tells it."""
    told: object = None
    if call.method == "eth_blockNumber":
        told = response.result
    elif call.method == "eth_getBlockByNumber" and call.params[:1] == ("latest",) and isinstance(response.result, dict):
        told = response.result.get("number")
    if told is None:
        return None
    try:
        return quantity(told)
    except Transient:
        return None
