"""What every chain does with the transactions of an account, whether it is a node's or in memory."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import pytest

from keeper.domain.errors import Refusal, SendRefused
from keeper.domain.fees import GasOffer
from keeper.domain.price import Price
from keeper.domain.signers import ContractSigners, NumberedSet
from keeper.domain.transaction import FeedWrite, Receipt, SignedTransaction, Transaction
from keeper.domain.units import FeedId, Gas, Wei
from keeper.ports import NO_CONDITIONS, Chain, ChainState
from keeper.signing.raw_key import RawKeySigner
from tests.support.updates import ADDRESSES, Envelope, Quote, build_update
from tests.support.waiting import wait_until

GWEI = 10**9
F1, F2 = FeedId("1" * 64), FeedId("2" * 64)
OURS = Envelope(signer_set=0)
FEE = 1
"""The contract's, for each message."""


class ChainWorld(Protocol):
    """A chain, and who rules over it: it mines when told to."""

    chain: Chain
    signer: RawKeySigner
    contract: bytes

    async def mine(self) -> None:
        """The next block."""
        ...

    async def reorganise(self, depth: int) -> None:
        """The last blocks are replaced with empty ones, and the node forgets what was in them."""
        ...

    async def drop_pool(self) -> None:
        """The node forgets what is pending."""
        ...

    async def set_balance(self, balance: int) -> None:
        """Of the account."""
        ...

    async def set_base_fee(self, base_fee: int) -> None:
        """Of the next block."""
        ...


def update(*feeds: FeedId, price: int = 100_000, publish_time: int = 1_700_000_000) -> bytes:
    quotes = [Quote(feed_id=feed_id, price=price, conf=7, publish_time=publish_time) for feed_id in feeds]
    return build_update([quote.message() for quote in quotes], OURS)


class Sender:
    """Sends an account's transactions."""

    def __init__(self, world: ChainWorld) -> None:
        self.world = world
        self.chain = world.chain

    async def state(self) -> ChainState:
        return await self.chain.read([F1, F2])

    async def push(
        self,
        *blobs: bytes,
        nonce: int | None = None,
        value: int = FEE,
        fee_cap: int = 10,
        conditions: Mapping[FeedId, int] = NO_CONDITIONS,
    ) -> Transaction:
        """A push that offers so many gwei, with the account's next nonce."""
        return Transaction(
            chain_id=31337,
            nonce=(await self.state()).nonce if nonce is None else nonce,
            offer=GasOffer(Wei(fee_cap * GWEI), Wei(GWEI)),
            gas_limit=Gas(400_000),
            to=self.world.contract,
            value=Wei(value),
            data=self.chain.calldata(blobs, conditions),
        )

    async def no_op(self) -> Transaction:
        address = bytes.fromhex(self.world.signer.address[2:])
        return replace(await self.push(), gas_limit=Gas(21_000), to=address, value=Wei(0), data=b"")

    async def send(self, transaction: Transaction) -> SignedTransaction:
        signed = await self.world.signer.sign(transaction)
        await self.chain.broadcast(signed)
        return signed

    async def refusal(self, transaction: Transaction) -> Refusal:
        with pytest.raises(SendRefused) as refused:
            await self.send(transaction)
        return refused.value.refusal

    async def receipt(self, signed: SignedTransaction) -> Receipt | None:
        look = await self.chain.look([signed.hash], with_block=False)
        assert await self.chain.search([signed.hash]) == look.receipts
        return look.receipts.get(signed.hash)

    async def landed(self, signed: SignedTransaction) -> Receipt:
        """Mine a block, which holds it."""
        before = (await self.state()).block
        await self.world.mine()
        await wait_until(lambda: self._reached(before + 1))
        receipt = await self.receipt(signed)
        assert receipt is not None
        assert receipt.block_number == before + 1
        return receipt

    async def pushed(self, *blobs: bytes, value: int = FEE) -> Receipt:
        return await self.landed(await self.send(await self.push(*blobs, value=value)))

    async def _reached(self, block: int) -> bool:
        return (await self.state()).block >= block


class ChainContract:
    """Inherited by the tests of each chain, which bring a `world`."""

    @pytest.fixture
    def sender(self, world: ChainWorld) -> Sender:
        return Sender(world)

    async def test_tells_the_account_and_prices(self, sender: Sender) -> None:
        before = await sender.state()
        assert before.prices == {F1: None, F2: None}
        receipt = await sender.pushed(update(F1))
        after = await sender.state()
        assert after.prices == {F1: Price(100_000, 7, -8, 1_700_000_000), F2: None}
        assert (after.nonce, after.block) == (before.nonce + 1, receipt.block_number)
        assert list(await sender.chain.mined_nonces()) == [after.nonce]

    async def test_tells_the_fee_and_the_gas_of_a_push(self, sender: Sender) -> None:
        terms = await sender.chain.terms(update(F1))
        assert terms.update_fee.of(3) == 3 * FEE
        assert terms.gas is not None
        assert 50_000 < terms.gas < 200_000

    async def test_tells_who_signs_now_and_by_the_numbers_that_are_asked_for(self, sender: Sender) -> None:
        ours = ContractSigners(0, {0: NumberedSet(ADDRESSES[:1])})
        assert await sender.chain.signers(()) == ours
        assert await sender.chain.signers({0, 7}) == replace(ours, sets={**ours.sets, 7: NumberedSet(())})

    async def test_what_is_pending_has_no_receipt(self, sender: Sender) -> None:
        signed = await sender.send(await sender.push(update(F1)))
        look = await sender.chain.look([signed.hash], with_block=True)
        state = await sender.state()
        assert (look.receipts, look.block) == ({}, state.block)
        assert state.prices[F1] is None
        assert (await sender.landed(signed)).tx_hash == signed.hash

    async def test_a_push_costs_its_gas_and_the_fee_to_the_wei(self, sender: Sender) -> None:
        before = await sender.state()
        receipt = await sender.pushed(update(F1, F2), value=2 * FEE)
        after = await sender.state()
        assert receipt.writes == tuple(FeedWrite(feed, 1_700_000_000, 100_000, 7) for feed in (F1, F2))
        assert after.market.base_fee is not None
        assert receipt.effective_gas_price == min(after.market.base_fee + GWEI, 10 * GWEI)
        cost = receipt.gas_used * receipt.effective_gas_price + receipt.l1_fee + 2 * FEE
        assert before.balance - after.balance == cost

    async def test_the_fee_cap_bounds_the_gas_price(self, sender: Sender) -> None:
        base_fee = (await sender.state()).market.base_fee
        assert base_fee is not None
        offer = GasOffer(Wei(2 * base_fee), Wei(2 * base_fee))
        signed = await sender.send(replace(await sender.push(update(F1)), offer=offer))
        assert (await sender.landed(signed)).effective_gas_price == 2 * base_fee

    async def test_a_push_that_pays_too_little_reverts_and_costs_only_gas(self, sender: Sender) -> None:
        before = await sender.state()
        receipt = await sender.pushed(update(F1, F2), value=FEE)
        after = await sender.state()
        assert (receipt.succeeded, receipt.writes) == (False, ())
        assert before.balance - after.balance == receipt.gas_used * receipt.effective_gas_price
        assert (after.nonce, after.prices[F1]) == (before.nonce + 1, None)

    async def test_a_push_without_gas_enough_uses_all_of_it(self, sender: Sender) -> None:
        starved = replace(await sender.push(update(F1)), gas_limit=Gas(60_000))
        receipt = await sender.landed(await sender.send(starved))
        assert (receipt.succeeded, receipt.writes) == (False, ())
        assert receipt.gas_used >= 59_000

    async def test_older_prices_are_skipped_in_silence(self, sender: Sender) -> None:
        await sender.pushed(update(F1, publish_time=1_700_000_100))
        old = await sender.pushed(update(F1, price=1, publish_time=1_700_000_100))
        assert (old.succeeded, old.writes) == (True, ())
        mixed = await sender.pushed(update(F1, F2, price=2, publish_time=1_700_000_050), value=2 * FEE)
        assert [write.feed_id for write in mixed.writes] == [F2]
        assert (await sender.state()).prices[F1] == Price(100_000, 7, -8, 1_700_000_100)

    async def test_a_push_whose_conditions_do_not_hold_costs_less_and_tells_why(self, sender: Sender) -> None:
        written = await sender.pushed(update(F1, publish_time=1_700_000_100))
        again = update(F1, publish_time=1_700_000_100)
        lost = await sender.push(again, conditions={F1: 1_700_000_100})
        receipt = await sender.landed(await sender.send(lost))
        assert (receipt.succeeded, receipt.writes) == (False, ())
        assert receipt.gas_used < written.gas_used
        assert await sender.chain.error_of(lost.data, lost.value, receipt.block_number) == "NoFreshUpdate"
        newer = update(F1, F2, publish_time=1_700_000_200)
        conditions = {F2: 1_700_000_200, F1: 1_700_000_100}
        won = await sender.push(newer, conditions=conditions, value=2 * FEE)
        assert await sender.chain.error_of(won.data, won.value, receipt.block_number) == ""
        assert await sender.chain.error_of(won.data, Wei(FEE), receipt.block_number) == "InsufficientFee"
        assert len((await sender.landed(await sender.send(won))).writes) == 2

    async def test_a_no_op_uses_up_its_nonce(self, sender: Sender) -> None:
        before = await sender.state()
        receipt = await sender.landed(await sender.send(await sender.no_op()))
        after = await sender.state()
        assert (receipt.succeeded, receipt.gas_used, receipt.writes) == (True, 21_000, ())
        assert before.balance - after.balance == 21_000 * receipt.effective_gas_price
        assert after.nonce == before.nonce + 1

    async def test_the_same_bytes_are_taken_again_until_they_are_mined(self, sender: Sender) -> None:
        transaction = await sender.push(update(F1))
        signed = await sender.send(transaction)
        assert await sender.send(transaction) == signed
        await sender.landed(signed)
        assert await sender.refusal(transaction) is Refusal.NONCE_TOO_LOW

    async def test_refuses_used_nonces_little_money_and_low_fees(self, sender: Sender) -> None:
        await sender.pushed(update(F1))
        good = await sender.push(update(F2))
        assert await sender.refusal(replace(good, nonce=good.nonce - 1)) is Refusal.NONCE_TOO_LOW
        assert await sender.refusal(replace(good, value=Wei(10**30))) is Refusal.INSUFFICIENT_FUNDS
        assert await sender.refusal(replace(good, offer=GasOffer(Wei(7), Wei(1)))) is Refusal.UNDERPRICED

    async def test_wants_the_most_that_a_transaction_may_cost(self, sender: Sender) -> None:
        transaction = await sender.push(update(F1))
        most = transaction.gas_limit * transaction.offer.fee_cap + transaction.value
        await sender.world.set_balance(most - 1)
        assert await sender.refusal(transaction) is Refusal.INSUFFICIENT_FUNDS
        await sender.world.set_balance(most)
        assert (await sender.landed(await sender.send(transaction))).succeeded

    async def test_a_replacement_must_pay_more(self, sender: Sender) -> None:
        first = await sender.push(update(F1))
        signed = await sender.send(first)
        for little in (first.offer, GasOffer(Wei(9 * GWEI), Wei(GWEI))):
            dearer = replace(first, value=Wei(5), offer=little)
            assert await sender.refusal(dearer) is Refusal.REPLACEMENT_UNDERPRICED
        bumped = GasOffer(Wei(first.offer.fee_cap * 9 // 8), Wei(first.offer.tip * 9 // 8))
        second = await sender.send(replace(first, value=Wei(5), offer=bumped))
        assert (await sender.landed(second)).succeeded
        assert await sender.receipt(signed) is None

    async def test_what_lies_beyond_a_nonce_gap_waits_for_it(self, sender: Sender) -> None:
        first = await sender.push(update(F1))
        ahead = await sender.send(await sender.push(update(F2), nonce=first.nonce + 1))
        await sender.world.mine()
        assert await sender.receipt(ahead) is None
        assert await sender.chain.pending_nonce() == first.nonce
        signed = await sender.send(first)
        assert await sender.chain.pending_nonce() == first.nonce + 2
        both = await sender.landed(signed), await sender.receipt(ahead)
        assert [receipt.block_number for receipt in both if receipt] == [both[0].block_number] * 2
        assert list(await sender.chain.mined_nonces()) == [first.nonce + 2]

    async def test_what_offers_less_than_the_base_fee_is_not_mined(self, sender: Sender) -> None:
        """Nodes keep it or forget it: sent again, it is pending for sure."""
        transaction = await sender.push(update(F1))
        signed = await sender.send(transaction)
        await sender.world.set_base_fee(11 * GWEI)
        await sender.world.mine()
        assert await sender.receipt(signed) is None
        await sender.world.set_base_fee(GWEI)
        assert await sender.send(transaction) == signed
        assert (await sender.landed(signed)).succeeded

    async def test_what_the_node_forgets_can_be_sent_again(self, sender: Sender) -> None:
        transaction = await sender.push(update(F1))
        signed = await sender.send(transaction)
        await sender.world.drop_pool()
        await sender.world.mine()
        assert await sender.receipt(signed) is None
        assert await sender.send(transaction) == signed
        assert (await sender.landed(signed)).succeeded

    @pytest.mark.parametrize("depth", [1, 3])
    async def test_a_reorganisation_undoes_what_was_mined(self, sender: Sender, depth: int) -> None:
        await sender.pushed(update(F1))
        before = await sender.state()
        transaction = await sender.push(update(F1, F2, publish_time=1_700_000_001), value=2 * FEE)
        signed = await sender.send(transaction)
        first = await sender.landed(signed)
        for _ in range(depth - 1):
            await sender.world.mine()
        await sender.world.reorganise(depth)
        assert await sender.receipt(signed) is None
        undone = await sender.state()
        assert (undone.nonce, undone.balance, undone.prices) == (before.nonce, before.balance, before.prices)
        assert undone.block == first.block_number + depth - 1
        assert await sender.send(transaction) == signed
        second = await sender.landed(signed)
        assert second.block_hash != first.block_hash
        assert second.writes == first.writes
