"""The tip that a real node's history of fees tells."""

from collections.abc import AsyncIterator

import pytest

from keeper.domain.fees import offer
from keeper.evm.chain import EvmChain
from keeper.evm.rpc import RpcPool, transport
from keeper.lab.anvil import Anvil
from tests.support.clock import LoopClock
from tests.support.node import Node
from tests.support.waiting import wait_until

CONTRACT = "0x4305FB66699C3B2702D4d05CF36551390A4c69C6"
GWEI = 10**9


@pytest.fixture
async def chain(anvil: Anvil, node: Node) -> AsyncIterator[EvmChain]:
    pool = RpcPool([transport("anvil", anvil.url)], clock=LoopClock())
    yield EvmChain(pool, contract=CONTRACT, account=node.account, tip_percentile=50)
    await pool.close()


async def pay_tips(node: Node, *tips_gwei: int) -> None:
    """A block for each, with one transaction: the node mines every one at once."""
    for tip in tips_gwei:
        await node.request(
            "eth_sendTransaction",
            {
                "from": node.account,
                "to": node.account,
                "maxPriorityFeePerGas": hex(tip * GWEI),
                "maxFeePerGas": hex(100 * GWEI),
            },
        )


async def test_offers_the_tip_that_recent_blocks_took(chain: EvmChain, node: Node) -> None:
    await pay_tips(node, 3, 9, 4)

    async def offers_it() -> bool:
        return offer((await chain.read([])).market).tip == 4 * GWEI

    await wait_until(offers_it)


async def test_offers_the_suggested_tip_on_a_fresh_chain(chain: EvmChain, node: Node) -> None:
    suggested = int(await node.request("eth_maxPriorityFeePerGas"), 16)
    assert (await chain.read([])).market.tip == suggested > 0
