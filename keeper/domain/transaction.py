"""A transaction to sign, what signing makes of it, and what becomes of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from keeper.domain.fees import GasOffer
from keeper.domain.units import FeedId, Gas, Wei


@dataclass(frozen=True, slots=True)
class Transaction:
    """All that is signed. `to` is a 20-byte address, or empty to create a contract."""

    chain_id: int
    nonce: int
    offer: GasOffer
    gas_limit: Gas
    to: bytes
    value: Wei
    data: bytes


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Bytes ready to broadcast, and their hash (32 bytes)."""

    raw: bytes
    hash: bytes


class FeedWrite(NamedTuple):
    """One price the contract stored, as its PriceFeedUpdate event tells (the event names no exponent)."""

    feed_id: FeedId
    publish_time: int
    price: int
    conf: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the chain says of a mined transaction of ours."""

    tx_hash: bytes
    block_number: int
    block_hash: bytes
    succeeded: bool
    gas_used: Gas
    effective_gas_price: Wei
    l1_fee: Wei
    writes: tuple[FeedWrite, ...]


class Outcome(StrEnum):
    """How a push ended. Only `confirmed` is a success that wrote something."""

    CONFIRMED = "confirmed"
    NOTHING_NEWER = "nothing_newer"
    """Mined, paid for, and the contract wrote none of it: somebody was faster."""
    REVERTED = "reverted"
    DROPPED = "dropped"
    """Refused before it could be mined; nothing was spent."""
    SUPERSEDED = "superseded"
    """Its nonce was used by a transaction that is not ours."""
    UNRESOLVED = "unresolved"
    """Sent, and still unknown when the keeper gave up waiting."""
    FAILED = "failed"
    """No endpoint took it."""
