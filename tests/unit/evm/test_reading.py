"""Reads through Multicall3, and what happens where it is not, or not what it should be."""

from collections.abc import Callable
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_hash.auto import keccak

from keeper.domain.errors import Transient
from keeper.domain.fees import UpdateFee
from keeper.domain.price import Price
from keeper.domain.signers import ContractSigners, NumberedSet
from keeper.domain.units import FeedId, Wei
from keeper.evm.chain import EvmChain
from keeper.evm.multicall import MULTICALL3
from keeper.evm.rpc import RpcPool
from keeper.evm.wire import ErrorAnswer
from tests.support.clock import LoopClock
from tests.support.scripted_node import FakeTransport, ScriptedNode

CONTRACT = "0x4305FB66699C3B2702D4d05CF36551390A4c69C6"
WORMHOLE = "0x98f3c9e6E3fAce36bAAd05FE09d375Ef1464288B"
KEYS = [f"0x{number:040x}" for number in (1, 2, 3)]
ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
FEEDS = [FeedId(f"{number:064x}") for number in range(1200)]
PRICE = Price(price=-5, conf=2, expo=-8, publish_time=1_700_000_000)
STORED = encode(["int64", "uint64", "int32", "uint256"], list(PRICE))
NOT_FOUND = bytes.fromhex("14aebe68")
HEADER = {
    "number": "0x10",
    "hash": "0x" + "11" * 32,
    "parentHash": "0x" + "22" * 32,
    "timestamp": "0x1",
    "gasLimit": "0x1c9c380",
    "baseFeePerGas": "0x7",
}
Answer = tuple[bool, bytes]


def selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


class Multicall:
    """Answers eth_call as Multicall3 does, beside a Pyth contract."""

    def __init__(self, prices: dict[FeedId, Answer] | None = None) -> None:
        self.prices = prices or {}
        self.block = 16
        self.fees: dict[bytes, Answer] = {
            selector("singleUpdateFeeInWei()"): (True, encode(["uint256"], [3])),
            selector("transactionFeeInWei()"): (False, b""),
        }
        self.fees[selector("getValidTimePeriod()")] = (True, encode(["uint256"], [60]))
        self.fees[selector("wormhole()")] = (True, encode(["address"], [WORMHOLE]))
        self.fees[selector("version()")] = (True, encode(["string"], ["1.4.5"]))
        self.signer_sets = {3: KEYS}
        self.signer_set = 3
        self.most_parts = 10_000
        self.bundles: list[int] = []

    def __call__(self, call: dict[str, str], block: str) -> object:
        assert block == "latest"
        data = bytes.fromhex(call["data"][2:])
        if call["to"] in {CONTRACT, WORMHOLE}:
            told, answer = self._told(call["to"], data)
            return "0x" + answer.hex() if told else ErrorAnswer(3, "execution reverted", "0x" + answer.hex())
        assert call["to"] == MULTICALL3
        (parts,) = decode(["(address,bool,bytes)[]"], data[4:])
        self.bundles.append(len(parts))
        if len(parts) > self.most_parts:
            return ErrorAnswer(-32000, "out of gas")
        return "0x" + encode(["(bool,bytes)[]"], [[self._told(target, asked) for target, _, asked in parts]]).hex()

    def _told(self, target: str, asked: bytes) -> Answer:
        if target.lower() == MULTICALL3.lower():
            number = self.block if asked[:4] == selector("getBlockNumber()") else 10**18
            return True, encode(["uint256"], [number])
        if asked[:4] == selector("getGuardianSet(uint32)"):
            keys = self.signer_sets.get(int.from_bytes(asked[4:]), [])
            return True, encode(["(address[],uint32)"], [(keys, 0)])
        if asked == selector("getCurrentGuardianSetIndex()"):
            return True, encode(["uint32"], [self.signer_set])
        if asked in self.fees:
            return self.fees[asked]
        return self.prices.get(FeedId(asked[4:].hex()), (False, NOT_FOUND))


def node_with(calls: Callable[..., object], **answers: Any) -> ScriptedNode:
    return ScriptedNode(
        answers={
            "eth_getBlockByNumber": HEADER,
            "eth_gasPrice": "0x9",
            "eth_maxPriorityFeePerGas": "0x3",
            "eth_getBalance": "0xde0b6b3a7640000",
            "eth_getTransactionCount": "0x2a",
            "eth_getStorageAt": "0x" + "00" * 32,
            "eth_call": calls,
        }
        | answers
    )


async def chain_on(node: ScriptedNode, *, tip_percentile: int | None = None) -> EvmChain:
    chain = EvmChain(
        RpcPool([FakeTransport("a", node)], clock=LoopClock()),
        contract=CONTRACT,
        account=ACCOUNT,
        tip_percentile=tip_percentile,
        multicall=MULTICALL3,
    )
    await chain.connect()
    return chain


def asked_since(node: ScriptedNode, before: int) -> list[str]:
    return sorted(method for method, _ in node.requests[before:])


async def test_a_read_sees_what_batches_see() -> None:
    calls = Multicall({FEEDS[0]: (True, STORED)})
    state = await (await chain_on(node_with(calls))).read(FEEDS[:2])
    assert (state.block, state.block_gas_limit, state.nonce, state.balance) == (16, 30_000_000, 42, 10**18)
    assert state.prices == {FEEDS[0]: PRICE, FEEDS[1]: None}
    assert state.update_fee == UpdateFee(Wei(3))


@pytest.mark.parametrize("held", [ErrorAnswer(-32601, "method not found"), "0x", "0x" + "00" * 32])
async def test_no_proxy_and_a_node_that_tells_no_storage_are_the_same(held: object) -> None:
    chain = await chain_on(node_with(Multicall(), eth_getStorageAt=held))
    assert (await chain.read([])).implementation == ""


async def test_a_glance_is_one_request() -> None:
    node = node_with(Multicall({FEEDS[0]: (True, STORED)}))
    chain = await chain_on(node)
    await chain.read(FEEDS[:500])
    before = len(node.requests)
    glance = await chain.glance(FEEDS[:500])
    assert asked_since(node, before) == ["eth_call"]
    assert (glance.block, glance.balance, glance.prices[FEEDS[0]]) == (16, 10**18, PRICE)


async def test_many_feeds_are_split_and_come_in_one_message() -> None:
    calls = Multicall(dict.fromkeys(FEEDS, (True, STORED)))
    node = node_with(calls)
    chain = await chain_on(node)
    before = node.bodies
    state = await chain.read(FEEDS)
    assert state.prices == dict.fromkeys(FEEDS, PRICE)
    assert node.bodies - before == 1
    assert len(calls.bundles) == 3


async def test_where_there_is_no_multicall_all_is_a_batch() -> None:
    calls = Multicall({FEEDS[0]: (True, STORED)})
    node = node_with(lambda call, block: "0x" if call["to"] == MULTICALL3 else calls(call, block))
    chain = await chain_on(node)
    assert (await chain.read(FEEDS[:2])).prices == {FEEDS[0]: PRICE, FEEDS[1]: None}
    before = len(node.requests)
    glance = await chain.glance(FEEDS[:2])
    assert (glance.block, glance.prices, glance.update_fee) == (16, {FEEDS[0]: PRICE, FEEDS[1]: None}, None)
    assert asked_since(node, before) == ["eth_call", "eth_call", "eth_getBalance", "eth_getBlockByNumber"]


async def test_a_node_that_allows_less_is_asked_for_less() -> None:
    calls = Multicall(dict.fromkeys(FEEDS, (True, STORED)))
    calls.most_parts = 300
    chain = await chain_on(node_with(calls))
    for _ in range(2):
        assert (await chain.glance(FEEDS[:400])).prices == dict.fromkeys(FEEDS[:400], PRICE)
    assert sorted(calls.bundles) == [150, 256, 406]


async def test_where_contracts_see_the_blocks_of_another_chain_the_header_counts() -> None:
    calls = Multicall()
    calls.block = 19_000_000
    node = node_with(calls)
    chain = await chain_on(node)
    assert (await chain.read([])).block == 16
    before = len(node.requests)
    assert (await chain.glance([])).block == 16
    assert asked_since(node, before) == ["eth_call", "eth_getBlockByNumber"]


async def test_a_contract_without_constants_tells_no_update_fee() -> None:
    calls = Multicall()
    calls.fees = dict.fromkeys(calls.fees, (False, b""))
    assert (await (await chain_on(node_with(calls))).glance([])).update_fee is None


async def test_tells_what_the_contract_says_of_itself() -> None:
    glance = await (await chain_on(node_with(Multicall()))).glance([])
    assert (glance.version, glance.valid_period_s) == ("1.4.5", 60)


@pytest.mark.parametrize("answer", [(False, b""), (True, b""), (True, bytes(64)), (True, b"\xff" * 96)])
async def test_a_contract_need_not_say_anything_of_itself(answer: Answer) -> None:
    calls = Multicall()
    calls.fees |= {selector("version()"): answer, selector("getValidTimePeriod()"): (False, b"")}
    glance = await (await chain_on(node_with(calls))).glance([])
    assert (glance.version, glance.valid_period_s) == ("", None)


async def test_the_fee_of_a_transaction_counts_where_there_is_one() -> None:
    calls = Multicall()
    calls.fees[selector("transactionFeeInWei()")] = (True, encode(["uint256"], [7]))
    assert (await (await chain_on(node_with(calls))).glance([])).update_fee == UpdateFee(Wei(3), Wei(7))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((False, bytes.fromhex("a9cb9e0d")), "InvalidArgument"),
        ((False, bytes.fromhex("d93c0665")), "paused.*0xd93c0665|0xd93c0665.*paused"),
        ((True, b""), "CONTRACT_ADDRESS"),
        ((True, bytes(31)), "CONTRACT_ADDRESS"),
    ],
)
async def test_any_other_failure_is_not_taken_for_a_missing_price(answer: Answer, why: str) -> None:
    chain = await chain_on(node_with(Multicall({FEEDS[0]: answer})))
    with pytest.raises(Transient, match=why):
        await chain.glance(FEEDS[:1])


@pytest.mark.parametrize("returned", ["0x01", "0x" + encode(["(bool,bytes)[]"], [[]]).hex()])
async def test_another_contract_at_the_address_is_told_for_what_it_is(returned: str) -> None:
    chain = await chain_on(node_with(lambda _call, _block: returned))
    with pytest.raises(Transient, match="MULTICALL_ADDRESS"):
        await chain.glance(FEEDS[:1])


def signed_by(number: int, keys: list[str]) -> ContractSigners:
    return ContractSigners(number, {number: NumberedSet(tuple(bytes.fromhex(key[2:]) for key in keys))})


async def test_once_asked_for_signers_are_told_by_every_glance_in_the_same_request() -> None:
    node = node_with(Multicall({FEEDS[0]: (True, STORED)}))
    chain = await chain_on(node)
    await chain.read(FEEDS[:10])
    assert (await chain.glance(FEEDS[:10])).signers is None
    assert await chain.signers(()) == signed_by(3, KEYS)
    before = len(node.requests)
    glance = await chain.glance(FEEDS[:10])
    assert asked_since(node, before) == ["eth_call"]
    assert (glance.signers, glance.prices[FEEDS[0]]) == (signed_by(3, KEYS), PRICE)


async def test_a_glance_that_finds_another_signer_set_leaves_it_to_be_asked_for() -> None:
    calls = Multicall()
    chain = await chain_on(node_with(calls))
    await chain.signers(())
    calls.signer_sets[4], calls.signer_set = KEYS[:1], 4
    assert (await chain.glance([])).signers is None
    assert await chain.signers(()) == signed_by(4, KEYS[:1])
    assert (await chain.read([])).signers == signed_by(4, KEYS[:1])


@pytest.mark.parametrize("told", [(False, b""), (True, b"\1"), (True, b"")])
async def test_a_contract_that_does_not_tell_who_signs_is_told_as_such(told: Answer) -> None:
    calls = Multicall()
    calls.fees[selector("wormhole()")] = told
    with pytest.raises(Transient, match="does not tell who signs"):
        await (await chain_on(node_with(calls))).signers(())


HISTORY = {"baseFeePerGas": ["0x7", "0x8"], "reward": [["0x5"]]}


async def test_fees_alone_are_one_request_where_the_history_tells_enough() -> None:
    node = node_with(Multicall(), eth_feeHistory=HISTORY)
    chain = await chain_on(node, tip_percentile=50)
    await chain.read([])
    before = len(node.requests)
    market = await chain.market()
    assert (market.base_fee, market.tip) == (8, 5)
    assert asked_since(node, before) == ["eth_feeHistory"]


async def test_fees_of_a_quiet_chain_are_asked_for_in_full() -> None:
    node = node_with(Multicall(), eth_feeHistory=HISTORY)
    chain = await chain_on(node, tip_percentile=50)
    await chain.read([])
    node.answers["eth_feeHistory"] = {"baseFeePerGas": ["0x7", "0x8"], "reward": [["0x0"]]}
    market = await chain.market()
    assert (market.base_fee, market.tip) == (7, 3)
