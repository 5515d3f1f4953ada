"""A scripted RPC node: it answers at once, mines at once, and keeps what it was sent."""

import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
import rlp
from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_account import Account
from tiny_keccak import keccak256 as keccak

from keeper.domain.accumulator import decode
from keeper.domain.price import Price
from keeper.domain.units import FeedId
from keeper.evm.pyth import PRICE_FEED_UPDATE

CHAIN_ID = 31337
CONTRACT = "0x4305FB66699C3B2702D4d05CF36551390A4c69C6"
BASE_FEE = 10**9
TIP = 10**8

_DYNAMIC_FEE = 2
_GAS_PER_PUSH = 69_000
_GAS_PER_FEED = 26_000
_CONSTANTS = {
    "eth_gasPrice": BASE_FEE + TIP,
    "eth_maxPriorityFeePerGas": TIP,
    "eth_getBalance": 10**24,
    "eth_estimateGas": _GAS_PER_PUSH + _GAS_PER_FEED,
}
"""Answers that never change, by method."""


def _selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


_UPDATE_PRICE_FEEDS = _selector("updatePriceFeeds(bytes[])")
_GET_UPDATE_FEE = _selector("getUpdateFee(bytes[])")
_GET_PRICE_UNSAFE = _selector("getPriceUnsafe(bytes32)")


@dataclass(frozen=True, slots=True)
class Push:
    """A transaction that the node took."""

    raw: bytes
    nonce: int
    value: int
    feeds: tuple[FeedId, ...]

    @property
    def sender(self) -> str:
        """Who signed it; raises ValueError where nobody did."""
        return str(Account.recover_transaction(self.raw))


@dataclass(slots=True)
class ScriptedNode:
    """A chain whose only contract is Pyth, where every transaction is mined as it arrives."""

    prices: dict[FeedId, Price]
    chain_id: int = CHAIN_ID
    pushes: list[Push] = field(default_factory=list)
    _receipts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, body: bytes) -> bytes:
        """The answer to a JSON-RPC request, single or batch."""
        asked = msgspec.json.decode(body)
        if isinstance(asked, list):
            return msgspec.json.encode([self._response(call) for call in asked])
        return msgspec.json.encode(self._response(asked))

    def _response(self, call: dict[str, Any]) -> dict[str, Any]:
        answer = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            return answer | {"result": self._result(call["method"], call.get("params", []))}
        except KeyError:
            return answer | {"error": {"code": -32601, "message": "the method does not exist"}}

    def _result(self, method: str, params: list[Any]) -> Any:  # noqa: ANN401 - whatever JSON may hold
        match method:
            case "eth_call":
                to_pyth = params[0]["to"].lower() == CONTRACT.lower()
                return _hex(self._call(bytes.fromhex(params[0]["data"][2:])) if to_pyth else b"")
            case "eth_sendRawTransaction":
                return self._mine(bytes.fromhex(params[0][2:]))
            case "eth_getTransactionReceipt":
                return self._receipts.get(params[0])
            case "eth_getBlockByNumber":
                return self._header()
            case _:
                return hex(self._numbers[method])

    @property
    def _numbers(self) -> dict[str, int]:
        return _CONSTANTS | {
            "eth_chainId": self.chain_id,
            "eth_blockNumber": self._block,
            "eth_getTransactionCount": len(self.pushes),
        }

    def _header(self) -> dict[str, str]:
        return {
            "number": hex(self._block),
            "hash": _block_hash(self._block),
            "parentHash": _block_hash(self._block - 1),
            "timestamp": hex(int(time.time())),
            "gasLimit": hex(30_000_000),
            "gasUsed": "0x0",
            "baseFeePerGas": hex(BASE_FEE),
        }

    @property
    def _block(self) -> int:
        return 1 + len(self.pushes)

    def _call(self, data: bytes) -> bytes:
        if data[:4] == _GET_PRICE_UNSAFE:
            price = self.prices[FeedId(data[4:].hex())]
            return abi_encode(["int64", "uint64", "int32", "uint256"], list(price))
        if data[:4] == _GET_UPDATE_FEE:
            (blobs,) = abi_decode(["bytes[]"], data[4:])
            return abi_encode(["uint256"], [sum(len(decode(blob).prices) for blob in blobs)])
        raise ValueError("the scripted contract does not know this call")

    def _mine(self, raw: bytes) -> str:
        if raw[0] != _DYNAMIC_FEE:
            raise ValueError("only EIP-1559 transactions are expected")
        _, nonce, _, _, _, to, value, data, *_ = rlp.decode(raw[1:])
        if _hex(to) != CONTRACT.lower() or data[:4] != _UPDATE_PRICE_FEEDS:
            raise ValueError("only pushes to the contract are expected")
        (blobs,) = abi_decode(["bytes[]"], data[4:])
        written = {feed: price for blob in blobs for feed, price in decode(blob).prices.items()}
        self.pushes.append(Push(raw, int.from_bytes(nonce), int.from_bytes(value), tuple(written)))
        self.prices |= written
        tx_hash = _hex(keccak(raw))
        self._receipts[tx_hash] = self._receipt(tx_hash, written)
        return tx_hash

    def _receipt(self, tx_hash: str, written: dict[FeedId, Price]) -> dict[str, Any]:
        return {
            "transactionHash": tx_hash,
            "blockNumber": hex(self._block),
            "blockHash": _block_hash(self._block),
            "status": "0x1",
            "gasUsed": hex(_GAS_PER_PUSH + _GAS_PER_FEED * len(written)),
            "effectiveGasPrice": hex(BASE_FEE + TIP),
            "logs": [
                {
                    "address": CONTRACT,
                    "topics": [_hex(PRICE_FEED_UPDATE), f"0x{feed}"],
                    "data": _hex(abi_encode(["uint64", "int64", "uint64"], [price.publish_time, *price[:2]])),
                }
                for feed, price in written.items()
            ],
        }


def _block_hash(number: int) -> str:
    return f"0x{number:064x}"


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"
