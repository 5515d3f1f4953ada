"""The chain's reads, terms, broadcasts and receipts, against answers as nodes give them."""

import asyncio
from typing import Any

import pytest
from eth_abi.abi import decode, encode

from keeper.domain.errors import Refusal, SendRefused, Throttled, Transient, Uncertain
from keeper.domain.fees import FeeMarket, UpdateFee
from keeper.domain.price import Price
from keeper.domain.transaction import FeedWrite, SignedTransaction
from keeper.domain.units import FeedId, Gas, Wei
from keeper.evm.chain import EvmChain
from keeper.evm.errors import classify
from keeper.evm.pyth import PRICE_FEED_UPDATE
from keeper.evm.rpc import SEND_TIMEOUT_S, RpcPool
from keeper.evm.wire import ErrorAnswer
from keeper.ports import Look
from tests.support.clock import LoopClock
from tests.support.scripted_node import FakeTransport, Fault, ScriptedNode

pytestmark = pytest.mark.looptime

SEND = "eth_sendRawTransaction"
REFUSALS = [
    "nonce too low",
    "nonce too high",
    "replacement transaction underpriced",
    "transaction underpriced",
    "insufficient funds",
    "intrinsic gas too low",
    "execution reverted",
    "oversized data",
    "txpool is full",
    "invalid chain id for signer",
    "exceeds the configured cap",
]
CONTRACT = "0x4305FB66699C3B2702D4d05CF36551390A4c69C6"
ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
FEEDS = [FeedId(f"{number:064x}") for number in range(300)]
GET_PRICE, GET_FEE = "0x96834ad3", "0xd47eed45"
NOT_FOUND = ErrorAnswer(3, "execution reverted", "0x14aebe68")
UNSUPPORTED = ErrorAnswer(-32601, "the method does not exist/is not available")
SIGNED = SignedTransaction(raw=b"\x02\xab", hash=b"\x11" * 32)
HEADER = {
    "number": "0x10",
    "hash": "0x00",
    "parentHash": "0x00",
    "timestamp": "0x6553f100",
    "gasLimit": "0x1c9c380",
    "baseFeePerGas": "0x7",
    "transactions": [],
}


def price_word(price: Price) -> str:
    return "0x" + encode(["(int64,uint64,int32,uint256)"], [tuple(price)]).hex()


class Contract:
    """Answers eth_call as a Pyth contract with these prices and fees."""

    def __init__(self, prices: dict[FeedId, Any] | None = None, *, per_message: int = 1, per_push: int = 0) -> None:
        self.prices = prices or {}
        self._per_message = per_message
        self._per_push = per_push

    def __call__(self, call: dict[str, str], block: str) -> object:
        assert (call["to"], block) == (CONTRACT, "latest")
        selector, arguments = call["data"][:10], bytes.fromhex(call["data"][10:])
        if selector == GET_FEE:
            (blobs,) = decode(["bytes[]"], arguments)
            return "0x" + encode(["uint256"], [len(blobs) * self._per_message + self._per_push]).hex()
        assert selector == GET_PRICE
        return self.prices.get(FeedId(arguments.hex()), NOT_FOUND)


def node_with(contract: object, **answers: object) -> ScriptedNode:
    return ScriptedNode(
        answers={
            "eth_getBlockByNumber": HEADER,
            "eth_gasPrice": "0x9",
            "eth_maxPriorityFeePerGas": "0x3",
            "eth_getBalance": "0xde0b6b3a7640000",
            "eth_getTransactionCount": "0x2a",
            "eth_call": contract,
        }
        | answers
    )


def chain_on(*nodes: ScriptedNode) -> EvmChain:
    transports = [FakeTransport(name, node) for name, node in zip("abc", nodes, strict=False)]
    return EvmChain(RpcPool(transports, clock=LoopClock()), contract=CONTRACT, account=ACCOUNT)


async def connected(*nodes: ScriptedNode) -> EvmChain:
    chain = chain_on(*nodes)
    await chain.connect()
    return chain


def taking() -> ScriptedNode:
    return node_with(Contract(), eth_sendRawTransaction="0x" + "11" * 32)


def refusing(said: str) -> ScriptedNode:
    return node_with(Contract(), eth_sendRawTransaction=ErrorAnswer(-32000, said))


def counting(nonce: str) -> ScriptedNode:
    return node_with(Contract(), eth_getTransactionCount=nonce)


async def settle() -> None:
    """Whatever is under way without a delay ends."""
    await asyncio.sleep(0.001)


class TestRead:
    async def test_sees_prices_fees_balance_and_nonce(self) -> None:
        price = Price(price=-5, conf=2, expo=-8, publish_time=1_700_000_000)
        state = await chain_on(node_with(Contract({FEEDS[0]: price_word(price)}))).read(FEEDS[:2])
        assert state.block == 16
        assert state.block_gas_limit == 30_000_000
        assert state.market == FeeMarket(base_fee=Wei(7), tip=Wei(3), gas_price=Wei(9))
        assert state.balance == 10**18
        assert state.nonce == 42
        assert state.prices == {FEEDS[0]: price, FEEDS[1]: None}

    async def test_takes_one_batch(self) -> None:
        node = node_with(Contract())
        chain = chain_on(node)
        await chain.connect()
        before = node.bodies
        await chain.read(FEEDS[:90])
        assert node.bodies - before == 1

    async def test_takes_several_batches_for_hundreds_of_feeds(self) -> None:
        prices = {feed_id: Price(number, 0, -8, 1) for number, feed_id in enumerate(FEEDS)}
        node = node_with(Contract({feed_id: price_word(price) for feed_id, price in prices.items()}))
        assert (await chain_on(node).read(FEEDS)).prices == prices
        assert node.bodies == 1 + 4

    async def test_a_chain_without_base_fee_has_a_legacy_market(self) -> None:
        header = {name: value for name, value in HEADER.items() if name != "baseFeePerGas"}
        node = node_with(Contract(), eth_getBlockByNumber=header, eth_maxPriorityFeePerGas=UNSUPPORTED)
        assert (await chain_on(node).read([])).market == FeeMarket(base_fee=None, tip=Wei(0), gas_price=Wei(9))

    async def test_a_node_that_suggests_no_tip_tells_it_by_its_gas_price(self) -> None:
        node = node_with(Contract(), eth_maxPriorityFeePerGas=UNSUPPORTED)
        assert (await chain_on(node).read([])).market.tip == 9 - 7

    @pytest.mark.parametrize(
        "reverted",
        [
            NOT_FOUND,
            ErrorAnswer(-32015, "VM execution error.", "Reverted 0x14aebe68"),
            ErrorAnswer(-32000, "execution reverted"),
        ],
    )
    async def test_a_feed_that_was_never_pushed_has_no_price(self, reverted: ErrorAnswer) -> None:
        state = await chain_on(node_with(Contract({FEEDS[0]: reverted}))).read(FEEDS[:1])
        assert state.prices == {FEEDS[0]: None}

    @pytest.mark.parametrize(
        "answer",
        [ErrorAnswer(3, "execution reverted", "0xa9cb9e0d"), ErrorAnswer(-32000, "header not found"), "0x", None],
    )
    async def test_any_other_failure_is_not_taken_for_a_missing_price(self, answer: object) -> None:
        with pytest.raises(Transient):
            await chain_on(node_with(Contract({FEEDS[0]: answer}))).read(FEEDS[:1])

    @pytest.mark.parametrize(
        "broken",
        [
            {"eth_getBlockByNumber": None},
            {"eth_getBlockByNumber": {"number": "0x1"}},
            {"eth_gasPrice": UNSUPPORTED},
            {"eth_getBalance": None},
            {"eth_getTransactionCount": 7},
        ],
    )
    async def test_an_answer_without_sense_fails_the_read(self, broken: dict[str, object]) -> None:
        with pytest.raises(Transient):
            await chain_on(node_with(Contract(), **broken)).read([])


class TestTerms:
    async def test_the_fee_is_told_apart_into_message_and_transaction(self) -> None:
        node = node_with(Contract(per_message=20, per_push=7), eth_estimateGas="0x186a0")
        terms = await chain_on(node).terms(b"PNAU")
        assert terms.update_fee == UpdateFee(per_message=Wei(20), per_transaction=Wei(7))
        assert terms.gas == Gas(100_000)
        assert terms.refusal == ""

    async def test_the_gas_is_estimated_for_the_account_with_the_fee(self) -> None:
        node = node_with(Contract(per_message=20, per_push=7), eth_estimateGas="0x186a0")
        chain = chain_on(node)
        await chain.terms(b"PNAU")
        ((asked,),) = [params for method, params in node.requests if method == "eth_estimateGas"]
        assert asked == {
            "from": ACCOUNT,
            "to": CONTRACT,
            "value": hex(27),
            "data": "0x" + chain.calldata([b"PNAU"]).hex(),
        }

    async def test_a_refused_estimate_says_what_is_wrong(self) -> None:
        refused = ErrorAnswer(3, "execution reverted", "0x2acbe915")
        terms = await chain_on(node_with(Contract(), eth_estimateGas=refused)).terms(b"PNAU")
        assert terms.gas is None
        assert "InvalidWormholeVaa" in terms.refusal
        assert "HERMES_URL" in terms.refusal

    async def test_an_estimate_that_fails_for_no_known_reason_is_no_refusal(self) -> None:
        node = node_with(Contract(), eth_estimateGas=ErrorAnswer(-32603, "Internal error"))
        with pytest.raises(Transient, match="Internal error"):
            await chain_on(node).terms(b"PNAU")


class TestBroadcast:
    async def test_names_the_endpoint_that_took_it(self) -> None:
        node = node_with(Contract(), eth_sendRawTransaction="0x" + "11" * 32)
        assert await chain_on(node).broadcast(SIGNED) == "a"
        assert ("eth_sendRawTransaction", ("0x02ab",)) in node.requests

    async def test_a_transaction_that_is_known_already_has_been_taken(self) -> None:
        node = node_with(Contract(), eth_sendRawTransaction=ErrorAnswer(-32000, "already known"))
        assert await chain_on(node).broadcast(SIGNED) == "a"

    async def test_a_refusal_carries_its_reason(self) -> None:
        refusal = ErrorAnswer(-32000, "replacement transaction underpriced")
        with pytest.raises(SendRefused, match="a answers: replacement") as refused:
            await chain_on(node_with(Contract(), eth_sendRawTransaction=refusal)).broadcast(SIGNED)
        assert refused.value.refusal is Refusal.REPLACEMENT_UNDERPRICED

    @pytest.mark.parametrize("answer", ["0x" + "22" * 32, None, ErrorAnswer(-32603, "Internal error")])
    async def test_an_answer_that_decides_nothing_is_uncertain(self, answer: object) -> None:
        with pytest.raises(Uncertain):
            await chain_on(node_with(Contract(), eth_sendRawTransaction=answer)).broadcast(SIGNED)

    @pytest.mark.parametrize("said", ["nonce too low", "insufficient funds"])
    async def test_a_refusal_is_uncertain_while_another_node_may_have_taken_it(self, said: str) -> None:
        nodes = [node_with(Contract()), node_with(Contract(), eth_sendRawTransaction=ErrorAnswer(-32000, said))]
        chain = chain_on(*nodes)
        await chain.connect()
        nodes[0].fault = Fault.CUTS
        with pytest.raises(Uncertain, match=said):
            await chain.broadcast(SIGNED)

    async def test_bytes_that_reached_nobody_are_not_uncertain(self) -> None:
        node = node_with(Contract())
        chain = chain_on(node)
        await chain.connect()
        node.fault = Fault.REFUSES
        with pytest.raises(Transient) as failed:
            await chain.broadcast(SIGNED)
        assert not isinstance(failed.value, Uncertain)

    async def test_a_node_that_wants_to_be_left_alone_has_not_taken_it(self) -> None:
        node = node_with(Contract(), eth_sendRawTransaction=ErrorAnswer(-32005, "rate limit exceeded"))
        with pytest.raises(Throttled):
            await chain_on(node).broadcast(SIGNED)


class TestBroadcastEverywhere:
    async def test_every_endpoint_is_sent_the_bytes_once(self) -> None:
        nodes = [taking(), taking(), taking()]
        chain = await connected(*nodes)
        await chain.broadcast(SIGNED, everywhere=True)
        await settle()
        assert [node.methods()[SEND] for node in nodes] == [1, 1, 1]

    async def test_the_first_acceptance_counts(self) -> None:
        nodes = [taking(), refusing("nonce too low"), taking()]
        chain = await connected(*nodes)
        nodes[0].fault = Fault.HANGS
        started = asyncio.get_running_loop().time()
        assert await chain.broadcast(SIGNED, everywhere=True) == "c"
        assert asyncio.get_running_loop().time() == started

    async def test_those_that_are_slower_are_let_finish(self) -> None:
        nodes = [taking(), taking()]
        chain = await connected(*nodes)
        nodes[0].fault = Fault.HANGS
        await chain.broadcast(SIGNED, everywhere=True)
        assert chain.endpoints()[0].healthy
        await asyncio.sleep(SEND_TIMEOUT_S)
        assert not chain.endpoints()[0].healthy

    async def test_who_knows_it_already_has_accepted_it(self) -> None:
        chain = await connected(refusing("insufficient funds"), refusing("already known"))
        assert await chain.broadcast(SIGNED, everywhere=True) == "b"

    async def test_the_refusal_that_tells_most_is_told(self) -> None:
        said = ["txpool is full", "insufficient funds", "replacement transaction underpriced"]
        chain = await connected(*map(refusing, said))
        with pytest.raises(SendRefused, match="c answers: replacement") as refused:
            await chain.broadcast(SIGNED, everywhere=True)
        assert refused.value.refusal is Refusal.REPLACEMENT_UNDERPRICED

    @pytest.mark.parametrize("refusal", Refusal)
    async def test_any_refusal_tells_more_than_no_answer(self, refusal: Refusal) -> None:
        texts = {classify(ErrorAnswer(-32000, text)): text for text in REFUSALS}
        nodes = [taking(), refusing(texts[refusal])]
        chain = await connected(*nodes)
        nodes[0].fault = Fault.REFUSES
        with pytest.raises(SendRefused) as refused:
            await chain.broadcast(SIGNED, everywhere=True)
        assert refused.value.refusal is refusal

    @pytest.mark.parametrize("fault", [Fault.CUTS, Fault.HANGS, Fault.BREAKS, Fault.BABBLES])
    async def test_one_doubt_outweighs_every_refusal(self, fault: Fault) -> None:
        nodes = [taking(), refusing("nonce too low")]
        chain = await connected(*nodes)
        nodes[0].fault = fault
        with pytest.raises(Uncertain):
            await chain.broadcast(SIGNED, everywhere=True)

    async def test_bytes_that_reached_nobody_are_not_uncertain(self) -> None:
        nodes = [taking(), taking()]
        chain = await connected(*nodes)
        for node in nodes:
            node.fault = Fault.REFUSES
        with pytest.raises(Transient) as failed:
            await chain.broadcast(SIGNED, everywhere=True)
        assert not isinstance(failed.value, Uncertain)

    async def test_a_chain_may_send_everything_everywhere(self) -> None:
        nodes = [taking(), taking()]
        pool = RpcPool([FakeTransport(name, node) for name, node in zip("ab", nodes, strict=True)], clock=LoopClock())
        await EvmChain(pool, contract=CONTRACT, account=ACCOUNT, everywhere=True).broadcast(SIGNED)
        await settle()
        assert [node.methods()[SEND] for node in nodes] == [1, 1]

    async def test_endpoints_of_other_chains_are_not_sent_it(self) -> None:
        nodes = [taking(), ScriptedNode(chain_id=1)]
        chain = await connected(*nodes)
        await chain.broadcast(SIGNED, everywhere=True)
        await settle()
        assert nodes[1].methods()[SEND] == 0


def log(feed_id: FeedId, *, address: str = CONTRACT, topic: bytes = PRICE_FEED_UPDATE) -> dict[str, Any]:
    return {
        "address": address.lower(),
        "topics": ["0x" + topic.hex(), "0x" + feed_id],
        "data": "0x" + encode(["uint64", "int64", "uint64"], [1_700_000_000, -5, 2]).hex(),
        "logIndex": "0x0",
    }


def receipt(**fields: object) -> dict[str, object]:
    return {
        "transactionHash": "0x" + "11" * 32,
        "blockNumber": "0x11",
        "blockHash": "0x" + "22" * 32,
        "status": "0x1",
        "gasUsed": "0x186a0",
        "effectiveGasPrice": "0xa",
        "logs": [],
    } | fields


class TestReceipt:
    async def test_there_is_none_before_the_transaction_is_mined(self) -> None:
        node = node_with(Contract(), eth_getTransactionReceipt=None)
        assert await chain_on(node).receipt(SIGNED.hash) is None

    async def test_tells_what_was_written_and_paid(self) -> None:
        answer = receipt(logs=[log(FEEDS[3]), log(FEEDS[4])], l1Fee="0x64")
        mined = await chain_on(node_with(Contract(), eth_getTransactionReceipt=answer)).receipt(SIGNED.hash)
        assert mined is not None
        assert (mined.tx_hash, mined.block_number, mined.block_hash) == (SIGNED.hash, 17, b"\x22" * 32)
        assert mined.succeeded
        assert (mined.gas_used, mined.effective_gas_price, mined.l1_fee) == (100_000, 10, 100)
        assert mined.writes == (FeedWrite(FEEDS[3], 1_700_000_000, -5, 2), FeedWrite(FEEDS[4], 1_700_000_000, -5, 2))

    async def test_events_of_others_are_passed_over(self) -> None:
        others = [
            log(FEEDS[0], address=ACCOUNT),
            log(FEEDS[0], topic=bytes(32)),
            log(FEEDS[0]) | {"topics": []},
        ]
        node = node_with(Contract(), eth_getTransactionReceipt=receipt(logs=others))
        mined = await chain_on(node).receipt(SIGNED.hash)
        assert mined is not None
        assert mined.writes == ()

    async def test_a_reverted_transaction_did_not_succeed(self) -> None:
        node = node_with(Contract(), eth_getTransactionReceipt=receipt(status="0x0", l1Fee=None))
        mined = await chain_on(node).receipt(SIGNED.hash)
        assert mined is not None
        assert (mined.succeeded, mined.l1_fee) == (False, 0)

    @pytest.mark.parametrize("answer", ["0x", {}, receipt(blockNumber=None), receipt(gasUsed=7)])
    async def test_a_broken_receipt_is_none_at_all(self, answer: object) -> None:
        with pytest.raises(Transient):
            await chain_on(node_with(Contract(), eth_getTransactionReceipt=answer)).receipt(SIGNED.hash)


class TestLook:
    async def test_finds_the_receipts_of_what_is_mined(self) -> None:
        hashes = [bytes([number]) * 32 for number in range(3)]
        mined = {"0x" + tx_hash.hex(): receipt() for tx_hash in hashes[1:]}
        node = node_with(Contract(), eth_getTransactionReceipt=mined.get)
        chain = await connected(node)
        node.requests.clear()
        look = await chain.look(hashes, with_block=False)
        assert list(look.receipts) == hashes[1:]
        assert look.receipts[hashes[2]].tx_hash == hashes[2]
        assert look.block is None
        assert node.methods().keys() == {"eth_getTransactionReceipt"}

    async def test_tells_the_block_and_its_base_fee_in_the_same_batch(self) -> None:
        node = node_with(Contract(), eth_getTransactionReceipt=None, eth_getBlockByNumber=HEADER | {"number": "0x12"})
        chain = chain_on(node)
        await chain.connect()
        before = node.bodies
        look = await chain.look([SIGNED.hash], with_block=True)
        assert (look, node.bodies - before) == (Look({}, 18, Wei(7)), 1)

    async def test_one_broken_receipt_fails_the_look(self) -> None:
        node = node_with(Contract(), eth_getTransactionReceipt=ErrorAnswer(-32000, "header not found"))
        with pytest.raises(Transient):
            await chain_on(node).look([SIGNED.hash], with_block=False)


class TestMinedNonces:
    async def test_two_endpoints_are_asked_at_once(self) -> None:
        nodes = [counting("0x5"), counting("0x6"), counting("0x7")]
        chain = await connected(*nodes)
        assert await chain.mined_nonces() == [5, 6]

    async def test_one_endpoint_tells_one(self) -> None:
        assert await chain_on(counting("0x5")).mined_nonces() == [5]

    async def test_an_endpoint_that_fails_is_replaced_by_the_next(self) -> None:
        nodes = [counting("0x5"), counting("0x6"), counting("0x7")]
        chain = await connected(*nodes)
        nodes[0].fault = Fault.REFUSES
        assert sorted(await chain.mined_nonces()) == [6, 7]
        assert await chain.mined_nonces() == [6, 7]

    async def test_the_word_of_one_counts_where_the_other_says_nothing(self) -> None:
        nodes = [counting("0x5"), counting("0x6")]
        chain = await connected(*nodes)
        nodes[0].fault = Fault.HANGS
        assert await chain.mined_nonces() == [6]

    async def test_nobody_s_word_is_a_failure(self) -> None:
        nodes = [counting("0x5"), counting("0x6")]
        chain = await connected(*nodes)
        for node in nodes:
            node.fault = Fault.BREAKS
        with pytest.raises(Transient):
            await chain.mined_nonces()


async def test_reads_the_mined_nonce_alone() -> None:
    node = node_with(Contract())
    assert await chain_on(node).mined_nonce() == 42
    assert ("eth_getTransactionCount", (ACCOUNT, "latest")) in node.requests


async def test_reads_code_and_chain_id() -> None:
    node = node_with(Contract(), eth_getCode="0x6000")
    chain = chain_on(node)
    assert await chain.code_at(CONTRACT) == b"\x60\x00"
    assert await chain.chain_id() == node.chain_id


async def test_tells_its_endpoints_and_calls() -> None:
    chain = chain_on(node_with(Contract()))
    await chain.mined_nonce()
    assert [status.name for status in chain.endpoints()] == ["a"]
    assert chain.calls() == {"eth_chainId": 1, "eth_blockNumber": 1, "eth_getTransactionCount": 1}
