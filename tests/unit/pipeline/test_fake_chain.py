"""The chain of these tests behaves as a node does."""

from dataclasses import dataclass, field, replace

import pytest

from keeper.domain.errors import Refusal
from keeper.domain.fees import GasOffer
from keeper.domain.units import Wei
from keeper.signing.raw_key import RawKeySigner
from tests.support.chain import FakeChain
from tests.support.chain_contract import F1, GWEI, ChainContract, Sender, update


@dataclass
class FakeWorld:
    """See ChainWorld."""

    chain: FakeChain = field(default_factory=lambda: FakeChain(automine=False))
    signer: RawKeySigner = field(default_factory=lambda: RawKeySigner(bytes(31) + b"\x01"))
    contract: bytes = bytes(range(20))

    async def mine(self) -> None:
        self.chain.mine()

    async def reorganise(self, depth: int) -> None:
        self.chain.reorganise(depth, forget=True)

    async def drop_pool(self) -> None:
        self.chain.drop_pool()

    async def set_balance(self, balance: int) -> None:
        self.chain.balance = balance

    async def set_base_fee(self, base_fee: int) -> None:
        self.chain.base_fee = base_fee


class TestFakeChain(ChainContract):
    @pytest.fixture
    def world(self) -> FakeWorld:
        return FakeWorld()

    async def test_a_replacement_pays_a_tenth_more_in_both_fields(self, sender: Sender) -> None:
        first = await sender.push(update(F1))
        await sender.send(first)
        for offer in (GasOffer(Wei(20 * GWEI), Wei(GWEI)), GasOffer(Wei(10 * GWEI), Wei(2 * GWEI))):
            assert await sender.refusal(replace(first, offer=offer)) is Refusal.REPLACEMENT_UNDERPRICED
        await sender.send(replace(first, offer=GasOffer(Wei(11 * GWEI), Wei(11 * GWEI // 10))))
