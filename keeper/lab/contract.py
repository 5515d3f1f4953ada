"""Puts the devnet's Pyth contract on a chain."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from eth_abi.abi import encode
from web3.exceptions import TimeExhausted

from keeper.domain.errors import Rejected, Transient, UsageError
from keeper.domain.fees import offer
from keeper.domain.transaction import Transaction
from keeper.domain.units import Gas, Wei
from keeper.evm.chain import EvmChain
from keeper.evm.rpc import RpcPool
from keeper.evm.web3_provider import web3_over
from keeper.evm.wire import quantity, to_hex
from keeper.lab.hermes.updates import PYTHNET, Emitter
from keeper.ports import Signer

_CONSTRUCTOR = ("address[]", "uint8", "uint32", "uint16", "bytes32", "uint256", "uint256")
_MAX_SIGNERS = 255
_MINED_WITHIN_S = 120
_POLL_S = 0.1
_NO_CONTRACT = "0x" + "00" * 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTerms:
    """Whom the contract trusts and what it charges; raises UsageError where that cannot be."""

    signers: Sequence[str]
    """Addresses in the order of their indices."""
    quorum: int
    """How many of them must sign."""
    signer_set_index: int = 0
    emitter: Emitter = PYTHNET
    update_fee: Wei = Wei(1)
    """For each message."""
    valid_period_s: int = 60

    def __post_init__(self) -> None:
        signers = [signer.lower() for signer in self.signers]
        if not 1 <= len(signers) <= _MAX_SIGNERS:
            raise UsageError(f"{len(signers)} signers: give 1 to {_MAX_SIGNERS}")
        if len(set(signers)) < len(signers):
            raise UsageError("a signer is given twice: each counts once")
        if _NO_CONTRACT in signers:
            raise UsageError("the zero address cannot sign: give another signer")
        _check(self.quorum, what="the quorum", least=1, most=len(signers))
        _check(self.signer_set_index, what="the signer set index", most=2**32 - 1)
        _check(self.emitter.chain, what="the emitter chain", most=2**16 - 1)
        _check(self.update_fee, what="the update fee", most=10**24)
        _check(self.valid_period_s, what="the valid period", most=2**64 - 1)
        if len(self.emitter.address) != 32:
            raise UsageError(f"an emitter address of {len(self.emitter.address)} bytes: 32 are wanted")

    def creation_code(self) -> bytes:
        """The contract's creation code with these terms as its arguments."""
        arguments = [
            self.signers,
            self.quorum,
            self.signer_set_index,
            self.emitter.chain,
            self.emitter.address,
            self.update_fee,
            self.valid_period_s,
        ]
        return _bytecode() + encode(_CONSTRUCTOR, arguments)


async def deploy_contract(pool: RpcPool, *, signer: Signer, terms: ContractTerms) -> str:
    """Deploy the contract, paid for by the signer's account, and return its checksummed address once it is mined.

    Raises Rejected where the chain refuses it, Transient where no node answers or it is not mined within two minutes.
    """
    chain, web3 = EvmChain(pool, contract=_NO_CONTRACT, account=signer.address), web3_over(pool)
    chain_id = await pool.connect()
    state = await chain.read([])
    code = terms.creation_code()
    gas = quantity(await pool.call("eth_estimateGas", {"from": signer.address, "data": to_hex(code)}))
    signed = await signer.sign(
        Transaction(
            chain_id=chain_id,
            nonce=state.nonce,
            offer=offer(state.market),
            gas_limit=Gas(gas + gas // 10),
            to=b"",
            value=Wei(0),
            data=code,
        )
    )
    await chain.broadcast(signed)
    try:
        receipt = await web3.eth.wait_for_transaction_receipt(
            web3.to_hex(signed.hash), timeout=_MINED_WITHIN_S, poll_latency=_POLL_S
        )
    except TimeExhausted as exc:
        raise Transient(
            f"{to_hex(signed.hash)} is not mined after {_MINED_WITHIN_S} s: look for it on the chain"
        ) from exc
    if not receipt["status"] or receipt["contractAddress"] is None:
        raise Rejected(f"the contract was not created: {to_hex(signed.hash)} reverted")
    return receipt["contractAddress"]


def _bytecode() -> bytes:
    artifact = json.loads((files("keeper.lab") / "DevnetPyth.json").read_text())
    return bytes.fromhex(artifact["bytecode"].removeprefix("0x"))


def _check(value: int, *, what: str, most: int, least: int = 0) -> None:
    if not least <= value <= most:
        raise UsageError(f"{what} {value} is out of range: give {least} to {most}")
