"""web3's API over the pool, on a real node with a real contract."""

from collections.abc import AsyncIterator
from typing import cast

import pytest
from hexbytes import HexBytes
from web3 import AsyncWeb3
from web3.exceptions import ContractCustomError, MethodUnavailable, TransactionNotFound, Web3RPCError
from web3.types import BlockData, RPCEndpoint

from keeper.domain.errors import Transient
from keeper.domain.fees import GasOffer
from keeper.domain.transaction import Transaction
from keeper.domain.units import FeedId, Gas, Wei
from keeper.evm.rpc import RpcPool, transport
from keeper.evm.web3_provider import PoolProvider, web3_over
from keeper.lab.anvil import DEV_ADDRESS, DEV_PRIVATE_KEY, Anvil
from keeper.signing.raw_key import RawKeySigner
from tests.support.clock import LoopClock
from tests.support.node import Node
from tests.support.pyth_contract import PythContract, Terms
from tests.support.relay import Ill, Relay
from tests.support.updates import ADDRESSES, Envelope, Quote, build_update

BTC = FeedId("e62df6c8b4a85fe1a67db44dc12de5db330f7ac66b72dc658afedf0f4a415b43")
UPDATE = build_update(
    [Quote(feed_id=BTC, price=5, conf=7, publish_time=1_700_000_000).message()], Envelope(signer_set=0)
)
FEE = 20
ABI = [
    {
        "type": "function",
        "name": "getPriceUnsafe",
        "stateMutability": "view",
        "inputs": [{"name": "id", "type": "bytes32"}],
        "outputs": [
            {
                "name": "price",
                "type": "tuple",
                "components": [
                    {"name": "price", "type": "int64"},
                    {"name": "conf", "type": "uint64"},
                    {"name": "expo", "type": "int32"},
                    {"name": "publishTime", "type": "uint256"},
                ],
            }
        ],
    },
    {
        "type": "function",
        "name": "getUpdateFee",
        "stateMutability": "view",
        "inputs": [{"name": "updateData", "type": "bytes[]"}],
        "outputs": [{"name": "fee", "type": "uint256"}],
    },
    {
        "type": "function",
        "name": "updatePriceFeeds",
        "stateMutability": "payable",
        "inputs": [{"name": "updateData", "type": "bytes[]"}],
        "outputs": [],
    },
]


@pytest.fixture
async def pool(anvil: Anvil) -> AsyncIterator[RpcPool]:
    """Over HTTP first, then over WebSocket."""
    pool = RpcPool([transport("http", anvil.url), transport("ws", anvil.ws_url)], clock=LoopClock())
    yield pool
    await pool.close()


@pytest.fixture
def web3(pool: RpcPool) -> AsyncWeb3[PoolProvider]:
    return web3_over(pool)


@pytest.fixture
async def contract(node: Node) -> PythContract:
    return await PythContract.deploy(node, Terms(signers=ADDRESSES[:1], quorum=1, fee=FEE))


async def test_reads_the_chain(web3: AsyncWeb3[PoolProvider], node: Node) -> None:
    await node.request("anvil_mine", "0x5")
    assert await web3.eth.chain_id == 31337
    assert await web3.eth.block_number == 5
    assert (await web3.eth.get_block("latest"))["number"] == 5
    assert await web3.eth.get_balance(web3.to_checksum_address(DEV_ADDRESS)) > 0
    assert len((await web3.eth.fee_history(2, "latest", [50]))["reward"]) == 2
    assert await web3.is_connected()


async def test_calls_a_contract_by_its_abi(web3: AsyncWeb3[PoolProvider], contract: PythContract) -> None:
    pyth = web3.eth.contract(address=web3.to_checksum_address(contract.address), abi=ABI)
    assert await pyth.functions.getUpdateFee([UPDATE, UPDATE]).call() == 2 * FEE
    await contract.update(UPDATE)
    assert await pyth.functions.getPriceUnsafe(bytes.fromhex(BTC)).call() == (5, 7, -8, 1_700_000_000)


async def test_a_revert_tells_what_the_contract_said(web3: AsyncWeb3[PoolProvider], contract: PythContract) -> None:
    pyth = web3.eth.contract(address=web3.to_checksum_address(contract.address), abi=ABI)
    with pytest.raises(ContractCustomError, match="0x14aebe68"):
        await pyth.functions.getPriceUnsafe(bytes(32)).call()


async def test_sends_what_a_signer_has_signed(web3: AsyncWeb3[PoolProvider], contract: PythContract) -> None:
    pyth = web3.eth.contract(address=web3.to_checksum_address(contract.address), abi=ABI)
    signer = RawKeySigner(DEV_PRIVATE_KEY)
    nonce = await web3.eth.get_transaction_count(web3.to_checksum_address(signer.address))
    data = pyth.encode_abi("updatePriceFeeds", args=[[UPDATE]])
    signed = await signer.sign(
        Transaction(
            chain_id=31337,
            nonce=nonce,
            offer=GasOffer(Wei(10**10), Wei(10**9)),
            gas_limit=Gas(500_000),
            to=bytes.fromhex(contract.address[2:]),
            value=Wei(FEE),
            data=bytes.fromhex(data[2:]),
        )
    )
    assert await web3.eth.send_raw_transaction(HexBytes(signed.raw)) == signed.hash
    receipt = await web3.eth.wait_for_transaction_receipt(HexBytes(signed.hash), timeout=5, poll_latency=0.05)
    assert receipt["status"] == 1
    with pytest.raises(Web3RPCError, match="nonce too low"):
        await web3.eth.send_raw_transaction(HexBytes(signed.raw))


async def test_asks_several_things_in_one_request(web3: AsyncWeb3[PoolProvider], pool: RpcPool) -> None:
    await pool.connect()
    before = pool.ledger.times("http")["ok"]
    async with web3.batch_requests() as batch:
        batch.add(web3.eth.get_block(0))
        batch.add(web3.eth.get_balance(web3.to_checksum_address(DEV_ADDRESS)))
        block, balance = cast("tuple[BlockData, Wei]", await batch.async_execute())
    assert (block["number"], balance > 0) == (0, True)
    assert sum(pool.ledger.times("http")["ok"].counts) - sum(before.counts) == 1


async def test_a_method_that_the_node_does_not_know_is_unavailable(web3: AsyncWeb3[PoolProvider]) -> None:
    with pytest.raises(MethodUnavailable):
        await web3.manager.coro_request(RPCEndpoint("eth_no_such_thing"), [])


async def test_a_transaction_that_is_not_mined_is_not_found(web3: AsyncWeb3[PoolProvider]) -> None:
    with pytest.raises(TransactionNotFound):
        await web3.eth.get_transaction_receipt(HexBytes(bytes(32)))


async def test_the_next_endpoint_takes_over(anvil: Anvil) -> None:
    async with Relay(anvil.url) as ill:
        pool = RpcPool([transport("ill", ill.url), transport("well", anvil.url)], clock=LoopClock())
        await pool.connect()
        await ill.fall(Ill.BREAKS)
        assert await web3_over(pool).eth.block_number == 0
        await pool.close()


async def test_what_no_endpoint_answers_is_the_keepers_own_error(anvil: Anvil) -> None:
    async with Relay(anvil.url) as ill:
        pool = RpcPool([transport("ill", ill.url)], clock=LoopClock())
        await pool.connect()
        await ill.fall(Ill.REFUSES)
        web3 = web3_over(pool)
        with pytest.raises(Transient, match="ill: cannot connect"):
            await web3.eth.get_block("latest")
        assert not await web3.is_connected()
        with pytest.raises(Transient):
            await web3.is_connected(show_traceback=True)
        await pool.close()
