"""The chain on a real node with a real contract: reads, pushes, receipts, and the node's refusals."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from keeper.domain.errors import Refusal, SendRefused
from keeper.domain.fees import GasOffer, UpdateFee
from keeper.domain.price import Price
from keeper.domain.transaction import FeedWrite, Receipt, SignedTransaction, Transaction
from keeper.domain.units import FeedId, Gas, Wei
from keeper.evm.chain import EvmChain
from keeper.evm.rpc import RpcPool, transport
from keeper.lab.anvil import DEV_PRIVATE_KEY, Anvil
from keeper.signing.raw_key import RawKeySigner
from tests.support.clock import LoopClock
from tests.support.node import Node
from tests.support.pyth_contract import PythContract, Terms
from tests.support.updates import ADDRESSES, KEYS, Envelope, Quote, build_update
from tests.support.waiting import wait_until

BTC = FeedId("e62df6c8b4a85fe1a67db44dc12de5db330f7ac66b72dc658afedf0f4a415b43")
ETH = FeedId("ff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace")
GWEI = 10**9
FEE = 20
OURS = Envelope(signer_set=0)
STRANGERS = Envelope(signer_set=0, keys=KEYS[1:2])


def update_of(*feeds: FeedId, price: int = 6_140_993_501_000, publish_time: int = 1_700_000_000) -> bytes:
    quotes = [Quote(feed_id=feed_id, price=price, conf=7, publish_time=publish_time) for feed_id in feeds]
    return build_update([quote.message() for quote in quotes], OURS)


@dataclass(frozen=True, slots=True)
class Pusher:
    """An account that sends to the contract through the chain under test."""

    chain: EvmChain
    signer: RawKeySigner
    contract: str
    chain_id: int

    def transaction(self, *blobs: bytes, nonce: int, fee: int) -> Transaction:
        return Transaction(
            chain_id=self.chain_id,
            nonce=nonce,
            offer=GasOffer(Wei(10 * GWEI), Wei(GWEI)),
            gas_limit=Gas(1_000_000),
            to=bytes.fromhex(self.contract[2:]),
            value=Wei(fee),
            data=self.chain.calldata(blobs),
        )

    async def push(self, *blobs: bytes, fee: int, legacy: bool = False) -> Receipt:
        transaction = self.transaction(*blobs, nonce=await self.chain.mined_nonce(), fee=fee)
        if legacy:
            transaction = replace(transaction, offer=GasOffer(Wei(10 * GWEI), Wei(10 * GWEI), legacy=True))
        signed = await self.signer.sign(transaction)
        await self.chain.broadcast(signed)
        return await self.mined(signed)

    async def mined(self, signed: SignedTransaction) -> Receipt:
        async def is_mined() -> bool:
            return await self.chain.receipt(signed.hash) is not None

        await wait_until(is_mined)
        receipt = await self.chain.receipt(signed.hash)
        assert receipt is not None
        return receipt

    async def refusal(self, transaction: Transaction) -> SendRefused:
        with pytest.raises(SendRefused) as refused:
            await self.chain.broadcast(await self.signer.sign(transaction))
        return refused.value


@pytest.fixture
async def contract(node: Node) -> PythContract:
    return await PythContract.deploy(node, Terms(signers=ADDRESSES[:1], quorum=1, fee=FEE))


@pytest.fixture(params=["http", "ws"])
async def pusher(request: pytest.FixtureRequest, anvil: Anvil, contract: PythContract) -> AsyncIterator[Pusher]:
    """Over either transport."""
    pool = RpcPool([transport("anvil", anvil.url if request.param == "http" else anvil.ws_url)], clock=LoopClock())
    signer = RawKeySigner(DEV_PRIVATE_KEY)
    chain = EvmChain(pool, contract=contract.address, account=signer.address)
    yield Pusher(chain, signer, contract.address, await chain.connect())
    await pool.close()


async def test_reads_the_whole_state(pusher: Pusher, node: Node, contract: PythContract) -> None:
    await contract.update(update_of(BTC))
    state = await pusher.chain.read([BTC, ETH])
    latest = await node.request("eth_getBlockByNumber", "latest", False)
    assert state.block == int(latest["number"], 16)
    assert state.block_gas_limit == int(latest["gasLimit"], 16)
    assert state.market.base_fee == int(latest["baseFeePerGas"], 16)
    assert state.market.tip == int(await node.request("eth_maxPriorityFeePerGas"), 16)
    assert state.balance == int(await node.request("eth_getBalance", pusher.signer.address, "latest"), 16)
    assert state.nonce == int(await node.request("eth_getTransactionCount", pusher.signer.address, "latest"), 16)
    assert state.prices == {BTC: Price(6_140_993_501_000, 7, -8, 1_700_000_000), ETH: None}


async def test_reads_hundreds_of_feeds(pusher: Pusher) -> None:
    feeds = [FeedId(f"{number:064x}") for number in range(500)]
    assert (await pusher.chain.read(feeds)).prices == dict.fromkeys(feeds)


async def test_learns_the_terms(pusher: Pusher) -> None:
    terms = await pusher.chain.terms(update_of(BTC))
    assert terms.update_fee == UpdateFee(per_message=Wei(FEE), per_transaction=Wei(0))
    assert terms.gas is not None
    assert 50_000 < terms.gas < 150_000
    assert terms.refusal == ""


async def test_learns_why_the_contract_would_refuse(pusher: Pusher) -> None:
    quote = Quote(feed_id=BTC, price=1)
    terms = await pusher.chain.terms(build_update([quote.message()], STRANGERS))
    assert terms.gas is None
    assert "InvalidWormholeVaa" in terms.refusal


@pytest.mark.parametrize("legacy", [False, True])
async def test_a_push_is_stored_and_told_by_its_receipt(pusher: Pusher, node: Node, legacy: bool) -> None:  # noqa: FBT001
    receipt = await pusher.push(update_of(BTC, ETH), fee=2 * FEE, legacy=legacy)
    raw = await node.request("eth_getTransactionReceipt", "0x" + receipt.tx_hash.hex())
    assert receipt.succeeded
    assert receipt.writes == tuple(FeedWrite(feed_id, 1_700_000_000, 6_140_993_501_000, 7) for feed_id in (BTC, ETH))
    assert receipt.block_hash.hex() == raw["blockHash"][2:]
    assert receipt.effective_gas_price == int(raw["effectiveGasPrice"], 16)
    assert (await pusher.chain.read([ETH])).prices[ETH] == Price(6_140_993_501_000, 7, -8, 1_700_000_000)


async def test_a_push_of_nothing_newer_writes_nothing(pusher: Pusher) -> None:
    await pusher.push(update_of(BTC), fee=FEE)
    receipt = await pusher.push(update_of(BTC), fee=FEE)
    assert (receipt.succeeded, receipt.writes) == (True, ())


async def test_a_push_that_pays_too_little_reverts(pusher: Pusher) -> None:
    receipt = await pusher.push(update_of(BTC), fee=FEE - 1)
    assert (receipt.succeeded, receipt.writes) == (False, ())


async def test_a_broadcast_is_one_request_and_so_is_a_receipt(pusher: Pusher) -> None:
    signed = await pusher.signer.sign(
        pusher.transaction(update_of(BTC), nonce=await pusher.chain.mined_nonce(), fee=FEE)
    )
    before = dict(pusher.chain.calls())
    await pusher.chain.broadcast(signed)
    await pusher.chain.receipt(signed.hash)
    spent = {method: count - before.get(method, 0) for method, count in pusher.chain.calls().items()}
    assert {method: count for method, count in spent.items() if count} == {
        "eth_sendRawTransaction": 1,
        "eth_getTransactionReceipt": 1,
    }


async def test_sending_the_same_bytes_again_is_no_failure(pusher: Pusher, node: Node) -> None:
    nonce = await pusher.chain.mined_nonce()
    signed = await pusher.signer.sign(pusher.transaction(update_of(BTC), nonce=nonce, fee=FEE))
    await node.request("evm_setAutomine", False)
    for _ in range(2):
        assert await pusher.chain.broadcast(signed) == "anvil"
    assert await pusher.chain.receipt(signed.hash) is None
    await node.request("anvil_mine", "0x1")
    assert (await pusher.mined(signed)).succeeded
    assert await pusher.chain.mined_nonce() == nonce + 1


async def test_knows_the_nodes_refusals(pusher: Pusher, node: Node) -> None:
    await pusher.push(update_of(BTC), fee=FEE)
    nonce = await pusher.chain.mined_nonce()
    good = pusher.transaction(update_of(BTC), nonce=nonce, fee=FEE)
    refused = {
        Refusal.NONCE_TOO_LOW: replace(good, nonce=nonce - 1, value=Wei(FEE + 1)),
        Refusal.INSUFFICIENT_FUNDS: replace(good, value=Wei(10**30)),
        Refusal.UNDERPRICED: replace(good, offer=GasOffer(Wei(1), Wei(0))),
        Refusal.WRONG_CHAIN: replace(good, chain_id=5),
    }
    assert {why: (await pusher.refusal(bad)).refusal for why, bad in refused.items()} == {why: why for why in refused}
    for gas_limit in (20_000, 100_000_000):
        assert (await pusher.refusal(replace(good, gas_limit=Gas(gas_limit)))).refusal is Refusal.GAS_LIMIT
    await node.request("evm_setAutomine", False)
    await pusher.chain.broadcast(await pusher.signer.sign(good))
    cheap = replace(good, value=Wei(FEE + 1))
    assert (await pusher.refusal(cheap)).refusal is Refusal.REPLACEMENT_UNDERPRICED


async def test_a_bumped_replacement_is_the_one_that_lands(pusher: Pusher, node: Node) -> None:
    await node.request("evm_setAutomine", False)
    nonce = await pusher.chain.mined_nonce()
    first = pusher.transaction(update_of(BTC), nonce=nonce, fee=FEE)
    second = replace(first, offer=GasOffer(Wei(12 * GWEI), Wei(2 * GWEI)), value=Wei(FEE + 1))
    signed = [await pusher.signer.sign(transaction) for transaction in (first, second)]
    for each in signed:
        await pusher.chain.broadcast(each)
    await node.request("anvil_mine", "0x1")
    assert (await pusher.mined(signed[1])).succeeded
    assert await pusher.chain.receipt(signed[0].hash) is None


async def test_finds_the_contracts_code(pusher: Pusher) -> None:
    assert len(await pusher.chain.code_at(pusher.contract)) > 1000
    assert await pusher.chain.code_at(pusher.signer.address) == b""
    assert await pusher.chain.chain_id() == pusher.chain_id


async def test_a_whole_read_tells_the_code_behind_a_proxy(pusher: Pusher, node: Node) -> None:
    assert (await pusher.chain.read([])).implementation == ""
    slot = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
    await node.request("anvil_setStorageAt", pusher.contract, slot, "0x" + "00" * 12 + "ab" * 20)
    assert (await pusher.chain.read([])).implementation == "0x" + "ab" * 20
