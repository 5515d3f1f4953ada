"""A real node with a real contract keeps the contract that the fake chain of the unit tests keeps."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from keeper.evm.chain import EvmChain
from keeper.evm.rpc import RpcPool, transport
from keeper.lab.anvil import DEV_PRIVATE_KEY, Anvil
from keeper.signing.raw_key import RawKeySigner
from tests.support.chain_contract import FEE, ChainContract
from tests.support.clock import LoopClock
from tests.support.node import Node
from tests.support.pyth_contract import PythContract, Terms
from tests.support.updates import ADDRESSES


@dataclass
class AnvilWorld:
    """See ChainWorld."""

    chain: EvmChain
    signer: RawKeySigner
    contract: bytes
    node: Node

    async def mine(self) -> None:
        await self.node.request("evm_mine")

    async def reorganise(self, depth: int) -> None:
        await self.node.request("anvil_reorg", depth, [])

    async def drop_pool(self) -> None:
        await self.node.request("anvil_dropAllTransactions")

    async def set_balance(self, balance: int) -> None:
        await self.node.request("anvil_setBalance", self.signer.address, hex(balance))

    async def set_base_fee(self, base_fee: int) -> None:
        await self.node.request("anvil_setNextBlockBaseFeePerGas", hex(base_fee))


class TestEvmChain(ChainContract):
    @pytest.fixture
    async def world(self, anvil: Anvil, node: Node) -> AsyncIterator[AnvilWorld]:
        contract = await PythContract.deploy(node, Terms(signers=ADDRESSES[:1], quorum=1, fee=FEE))
        await node.request("evm_setAutomine", False)
        pool = RpcPool([transport("anvil", anvil.url)], clock=LoopClock())
        signer = RawKeySigner(DEV_PRIVATE_KEY)
        chain = EvmChain(pool, contract=contract.address, account=signer.address)
        await chain.connect()
        yield AnvilWorld(chain, signer, bytes.fromhex(contract.address[2:]), node)
        await pool.close()
