"""Reads through the real Multicall3 on a real node, against those without it."""

from collections.abc import AsyncIterator

import pytest

from keeper.domain.fees import UpdateFee
from keeper.domain.units import FeedId, Wei
from keeper.evm.chain import EvmChain
from keeper.evm.multicall import MULTICALL3
from keeper.evm.rpc import RpcPool, transport
from keeper.lab.anvil import Anvil
from keeper.lab.multicall import place_multicall
from tests.support.clock import LoopClock
from tests.support.node import Node
from tests.support.pyth_contract import PythContract, Terms
from tests.support.updates import ADDRESSES, Envelope, Quote, build_update

FEE = 20
FEEDS = [FeedId(f"{number + 1:064x}") for number in range(500)]
HELD = FEEDS[:20]


@pytest.fixture
async def pool(anvil: Anvil) -> AsyncIterator[RpcPool]:
    pool = RpcPool([transport("anvil", anvil.url)], clock=LoopClock())
    await pool.connect()
    await place_multicall(pool)
    yield pool
    await pool.close()


@pytest.fixture
async def contract(node: Node) -> PythContract:
    contract = await PythContract.deploy(node, Terms(signers=ADDRESSES[:1], quorum=1, fee=FEE))
    quotes = [Quote(feed_id=feed_id, price=number + 1) for number, feed_id in enumerate(HELD)]
    assert (
        await contract.update(build_update([quote.message() for quote in quotes], Envelope(signer_set=0)))
    ).succeeded
    return contract


async def test_sees_what_reads_without_it_see(pool: RpcPool, node: Node, contract: PythContract) -> None:
    with_it = EvmChain(pool, contract=contract.address, account=node.account, multicall=MULTICALL3)
    without = EvmChain(pool, contract=contract.address, account=node.account)
    state, reference = await with_it.read(FEEDS), await without.read(FEEDS)
    assert (state.prices, state.balance, state.block, state.nonce, state.market) == (
        reference.prices,
        reference.balance,
        reference.block,
        reference.nonce,
        reference.market,
    )
    assert [feed_id for feed_id, price in state.prices.items() if price is not None] == HELD
    assert state.update_fee == UpdateFee(Wei(FEE))


async def test_a_glance_at_500_feeds_is_one_request(pool: RpcPool, node: Node, contract: PythContract) -> None:
    chain = EvmChain(pool, contract=contract.address, account=node.account, multicall=MULTICALL3)
    await chain.read(FEEDS)
    before = sum(chain.calls().values())
    glance = await chain.glance(FEEDS)
    assert sum(chain.calls().values()) == before + 1
    assert glance.block == int(await node.request("eth_blockNumber"), 16)
    assert len(glance.prices) == len(FEEDS)
