"""Who signs prices, by the contract's own word: the Wormhole contract that it trusts, and that one's signer sets."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import NamedTuple

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address
from tiny_keccak import keccak256 as keccak

from keeper.domain.errors import Refusal, Transient
from keeper.domain.signers import ContractSigners, NumberedSet
from keeper.evm.errors import classify, result_of
from keeper.evm.multicall import Part, Told
from keeper.evm.rpc import RpcPool
from keeper.evm.wire import Call, octets, to_hex

_WORMHOLE = keccak(b"wormhole()")[:4]
_CURRENT = keccak(b"getCurrentGuardianSetIndex()")[:4]
_SET = keccak(b"getGuardianSet(uint32)")[:4]
_WORD = 32
_SILENT = "the contract does not tell who signs its prices"


class Known(NamedTuple):
    """Where the signer sets are, and which of them is the current one."""

    wormhole: str
    current: int


class Guardians:
    """Asks who signs; once it knows, the question fits into other reads."""

    def __init__(self, contract: str) -> None:
        self._contract = contract
        self.known: Known | None = None
        """None before the first `ask`."""

    def parts(self) -> list[Part]:
        """Reads that show whether they still are who they were; none where nothing is known."""
        if self.known is None:
            return []
        wormhole, current = self.known
        return [Part(self._contract, _WORMHOLE), Part(wormhole, _CURRENT), Part(wormhole, _set(current))]

    @staticmethod
    def read(told: Sequence[Told], known: Known | None) -> ContractSigners | None:
        """What these reads tell, asked for while so much was known; None where it holds no longer."""
        if known is None or not all(each.succeeded for each in told):
            return None
        wormhole, current, signers = (each.data for each in told)
        with suppress(Transient):
            number = _number(current)
            if Known(_address(wormhole), number) == known:
                return ContractSigners(number, {number: _signers(signers)})
        return None

    async def ask(self, pool: RpcPool, named: Collection[int]) -> ContractSigners:
        """The current set, and those of these numbers; raises Transient where the contract does not tell."""
        (trusted,) = await self._answers(pool, [Part(self._contract, _WORMHOLE)])
        wormhole = _address(trusted)
        wanted = sorted(named)
        current, *sets = await self._answers(
            pool, [Part(wormhole, _CURRENT), *(Part(wormhole, _set(number)) for number in wanted)]
        )
        number = _number(current)
        if number not in wanted:
            wanted.append(number)
            sets += await self._answers(pool, [Part(wormhole, _set(number))])
        told = {number: _signers(each) for number, each in zip(wanted, sets, strict=True)}
        self.known = Known(wormhole, number)
        return ContractSigners(number, told)

    async def _answers(self, pool: RpcPool, parts: Sequence[Part]) -> list[bytes]:
        calls = [Call("eth_call", ({"to": part.target, "data": to_hex(part.calldata)}, "latest")) for part in parts]
        responses = await pool.ask(*calls)
        if any(each.error is not None and classify(each.error) is Refusal.WOULD_REVERT for each in responses):
            raise Transient(_SILENT)
        return [octets(result_of(response)) for response in responses]


def _set(number: int) -> bytes:
    return _SET + encode(["uint32"], [number])


def _address(data: bytes) -> str:
    if len(data) != _WORD:
        raise Transient(_SILENT)
    return str(to_checksum_address(data[-20:]))


def _number(data: bytes) -> int:
    if len(data) != _WORD:
        raise Transient(_SILENT)
    return int.from_bytes(data)


def _signers(data: bytes) -> NumberedSet:
    try:
        ((keys, expires_at),) = decode(["(address[],uint32)"], data)
    except DecodingError as exc:
        raise Transient(_SILENT) from exc
    return NumberedSet(tuple(bytes.fromhex(key[2:]) for key in keys), expires_at)
