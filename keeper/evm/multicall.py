"""Multicall3's ABI: many reads of contracts in one call, each of which may fail by itself."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from tiny_keccak import keccak256 as keccak

from keeper.domain.errors import Transient

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
"""Where it sits on most chains."""

_AGGREGATE3 = keccak(b"aggregate3((address,bool,bytes)[])")[:4]
_GET_ETH_BALANCE = keccak(b"getEthBalance(address)")[:4]
_GET_BLOCK_NUMBER = keccak(b"getBlockNumber()")[:4]
_MAY_FAIL = True
_LONGEST_TEXT = 40
_WORD = 32
_NO_MULTICALL = "the contract at MULTICALL_ADDRESS does not answer as Multicall3 does"


class Part(NamedTuple):
    """One read: a contract's address and what is asked of it."""

    target: str
    calldata: bytes


class Told(NamedTuple):
    """What came of it: the answer, or what the contract reverted with."""

    succeeded: bool
    data: bytes


def aggregate3(parts: Sequence[Part]) -> bytes:
    """Calldata of all these reads; none fails because another does.

    Encoded by hand: the general encoder takes a hundred times as long, and a push that falls due meanwhile waits.
    """
    reads = [_read(part) for part in parts]
    offsets = accumulate(map(len, reads), initial=_WORD * len(reads))
    places = (offset.to_bytes(_WORD) for offset, _ in zip(offsets, reads, strict=False))
    return b"".join([_AGGREGATE3, _WORD.to_bytes(_WORD), len(reads).to_bytes(_WORD), *places, *reads])


def _read(part: Part) -> bytes:
    size = len(part.calldata)
    return b"".join(
        [
            bytes.fromhex(part.target.removeprefix("0x")).rjust(_WORD, b"\0"),
            int(_MAY_FAIL).to_bytes(_WORD),
            (3 * _WORD).to_bytes(_WORD),
            size.to_bytes(_WORD),
            part.calldata,
            bytes(-size % _WORD),
        ]
    )


def read_results(returned: bytes, count: int) -> list[Told]:
    """What each of so many reads came to, in their order; raises Transient for anything else.

    Read by hand: hundreds of results take a general decoder long enough to delay a push.
    """
    if _number_at(returned, 0) != _WORD or _number_at(returned, _WORD) != count:
        raise Transient(_NO_MULTICALL)
    heads = 2 * _WORD
    return [_result_at(returned, heads + _number_at(returned, heads + _WORD * each)) for each in range(count)]


def _result_at(returned: bytes, at: int) -> Told:
    succeeded, length_at = _number_at(returned, at), at + _number_at(returned, at + _WORD)
    start = length_at + _WORD
    data = returned[start : start + _number_at(returned, length_at)]
    if succeeded > 1 or len(data) != _number_at(returned, length_at):
        raise Transient(_NO_MULTICALL)
    return Told(bool(succeeded), data)


def _number_at(returned: bytes, at: int) -> int:
    word = returned[at : at + _WORD]
    if len(word) != _WORD:
        raise Transient(_NO_MULTICALL)
    return int.from_bytes(word)


def get_eth_balance(account: str) -> bytes:
    """Calldata that asks for an account's balance; the answer is one number."""
    return _GET_ETH_BALANCE + encode(["address"], [account])


def get_block_number() -> bytes:
    """Calldata that asks for the number of the block, as contracts see it: on rollups it may be another chain's."""
    return _GET_BLOCK_NUMBER


def read_number(told: Told) -> int:
    """The number that is the answer; raises Transient for anything else."""
    if not told.succeeded or len(told.data) != _WORD:
        raise Transient(_NO_MULTICALL)
    return int.from_bytes(told.data)


def number_or_none(told: Told) -> int | None:
    """The same; None where the contract does not tell it."""
    return int.from_bytes(told.data) if told.succeeded and len(told.data) == _WORD else None


def text_or_empty(told: Told) -> str:
    """The text that is the answer; empty where the contract does not tell one."""
    try:
        (text,) = decode(["string"], told.data) if told.succeeded else ("",)
    except (DecodingError, UnicodeDecodeError):
        return ""
    return str(text)[:_LONGEST_TEXT]
