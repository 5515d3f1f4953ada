"""The devnet contract as its users see it: through its ABI, with plain values."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from tests.support.node import Json, Mined, Node, RpcError
from tests.support.updates import PYTHNET, PYTHNET_EMITTER

ARTIFACT = json.loads((Path(__file__).resolve().parents[2] / "keeper" / "lab" / "DevnetPyth.json").read_text())
BYTECODE = bytes.fromhex(ARTIFACT["bytecode"].removeprefix("0x"))
PRICE_FEED_UPDATE = keccak(text="PriceFeedUpdate(bytes32,uint64,int64,uint64)")

ERRORS = {keccak(text=f"{entry['name']}()")[:4]: entry["name"] for entry in ARTIFACT["abi"] if entry["type"] == "error"}
"""Selector -> name of the custom errors."""

_PRICE = "(int64,uint64,int32,uint256)"


class ChainPrice(NamedTuple):
    """A price as the contract returns it."""

    price: int
    conf: int
    expo: int
    publish_time: int


class PriceEvent(NamedTuple):
    """One PriceFeedUpdate."""

    feed_id: str
    publish_time: int
    price: int
    conf: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The arguments of the constructor."""

    signers: Sequence[str | bytes]
    quorum: int
    signer_set: int = 0
    emitter_chain: int = PYTHNET
    emitter: bytes = PYTHNET_EMITTER
    fee: int = 1
    valid_period: int = 60

    def encode(self) -> bytes:
        """As appended to the creation code."""
        types = ["address[]", "uint8", "uint32", "uint16", "bytes32", "uint256", "uint256"]
        values = [
            self.signers,
            self.quorum,
            self.signer_set,
            self.emitter_chain,
            self.emitter,
            self.fee,
            self.valid_period,
        ]
        return encode(types, values)


class PythContract:
    """A deployed contract."""

    def __init__(self, node: Node, address: str) -> None:
        self.node = node
        self.address = address

    @classmethod
    async def deploy(cls, node: Node, terms: Terms) -> Self:
        """Deploy it; the constructor must not revert."""
        mined = await node.send(BYTECODE + terms.encode())
        assert mined.succeeded
        return cls(node, mined.contract)

    @staticmethod
    async def refusal_to_deploy(node: Node, terms: Terms) -> str:
        """The error that the constructor reverts with, or ""."""
        (answer,) = await node.batch("eth_call", [[{"data": "0x" + (BYTECODE + terms.encode()).hex()}, "latest"]])
        return _error_name(answer)

    async def update(self, *blobs: bytes, value: int | None = None) -> Mined:
        """Send updatePriceFeeds, with the exact fee unless told otherwise."""
        paid = await self.update_fee(*blobs) if value is None else value
        return await self.node.send(update_calldata(*blobs), to=self.address, value=paid)

    async def refusals(self, blobs: Sequence[bytes], *, value: int = 10**18) -> list[str]:
        """For each blob the error that updatePriceFeeds reverts with, or "" where it accepts the blob."""
        calls = [[self._call(update_calldata(blob), value=value), "latest"] for blob in blobs]
        return [_error_name(answer) for answer in await self.node.batch("eth_call", calls)]

    async def refusal(self, calldata: bytes, *, value: int = 10**18) -> str:
        """The error that a call reverts with, or "" where it does not."""
        (answer,) = await self.node.batch("eth_call", [[self._call(calldata, value=value), "latest"]])
        return _error_name(answer)

    async def update_fee(self, *blobs: bytes) -> int:
        """What getUpdateFee asks for."""
        (fee,) = await self._read("getUpdateFee(bytes[])", ["bytes[]"], [blobs], returns=["uint256"])
        return int(fee)

    async def price(self, feed_id: str) -> ChainPrice:
        """By getPriceUnsafe."""
        return await self._price("getPriceUnsafe(bytes32)", ["bytes32"], [bytes.fromhex(feed_id)])

    async def ema_price(self, feed_id: str) -> ChainPrice:
        """By getEmaPriceUnsafe."""
        return await self._price("getEmaPriceUnsafe(bytes32)", ["bytes32"], [bytes.fromhex(feed_id)])

    async def price_feed(self, feed_id: str) -> tuple[str, ChainPrice, ChainPrice]:
        """By queryPriceFeed: the feed's id, its price and its moving average."""
        returns = [f"(bytes32,{_PRICE},{_PRICE})"]
        ((raw_id, price, ema),) = await self._read(
            "queryPriceFeed(bytes32)", ["bytes32"], [bytes.fromhex(feed_id)], returns=returns
        )
        return raw_id.hex(), ChainPrice(*price), ChainPrice(*ema)

    async def exists(self, feed_id: str) -> bool:
        """By priceFeedExists."""
        (found,) = await self._read("priceFeedExists(bytes32)", ["bytes32"], [bytes.fromhex(feed_id)], returns=["bool"])
        return bool(found)

    async def valid_period(self) -> int:
        """By getValidTimePeriod."""
        (seconds,) = await self._read("getValidTimePeriod()", [], [], returns=["uint256"])
        return int(seconds)

    async def _price(self, function: str, types: list[str], arguments: list[Json]) -> ChainPrice:
        (price,) = await self._read(function, types, arguments, returns=[_PRICE])
        return ChainPrice(*price)

    async def _read(self, function: str, types: list[str], arguments: list[Json], *, returns: list[str]) -> Json:
        calldata = call(function, types, arguments)
        answer = await self.node.request("eth_call", self._call(calldata, value=0), "latest")
        return decode(returns, bytes.fromhex(answer.removeprefix("0x")))

    def _call(self, calldata: bytes, *, value: int) -> dict[str, str]:
        sender = self.node.account
        return {"from": sender, "to": self.address, "data": "0x" + calldata.hex(), "value": hex(value)}


def call(function: str, types: list[str], arguments: list[Json]) -> bytes:
    """Calldata of a function given by its signature."""
    return keccak(text=function)[:4] + encode(types, arguments)


def update_calldata(*blobs: bytes) -> bytes:
    """Of updatePriceFeeds."""
    return call("updatePriceFeeds(bytes[])", ["bytes[]"], [blobs])


def if_necessary_calldata(blobs: Sequence[bytes], feed_ids: Sequence[str], publish_times: Sequence[int]) -> bytes:
    """Of updatePriceFeedsIfNecessary."""
    function, types = "updatePriceFeedsIfNecessary(bytes[],bytes32[],uint64[])", ["bytes[]", "bytes32[]", "uint64[]"]
    return call(function, types, [blobs, [bytes.fromhex(feed_id) for feed_id in feed_ids], publish_times])


def price_events(mined: Mined) -> list[PriceEvent]:
    """The PriceFeedUpdate events of a transaction, which must hold no others."""
    events = []
    for log in mined.logs:
        topic, feed_id = log["topics"]
        assert topic == "0x" + PRICE_FEED_UPDATE.hex()
        data = bytes.fromhex(log["data"].removeprefix("0x"))
        events.append(PriceEvent(feed_id.removeprefix("0x"), *decode(["uint64", "int64", "uint64"], data)))
    return events


def _error_name(answer: object) -> str:
    if not isinstance(answer, RpcError):
        return ""
    return str(ERRORS.get(answer.data, f"unnamed revert 0x{answer.data.hex()}"))
