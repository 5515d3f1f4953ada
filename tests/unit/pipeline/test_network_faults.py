"""What a network makes of a chain that fails it: misleading answers, lost blocks, strangers with its key."""

import asyncio

import pytest

from keeper.domain.errors import Refusal, SendRefused
from keeper.domain.transaction import Outcome, SignedTransaction
from tests.support.chain import FakeChain
from tests.unit.pipeline.conftest import Bench, Start

pytestmark = pytest.mark.looptime


async def quiet(bench: Bench) -> None:
    """Both feeds on chain at 100,000, and the debounce window over."""
    bench.publish(F1=100_000, F2=100_000)
    await asyncio.sleep(2)
    bench.events.clear()


class DoublingChain(FakeChain):
    """Something in front of the node hands every transaction over twice, and passes on what the second one met."""

    doubling = False

    async def broadcast(self, signed: SignedTransaction, *, everywhere: bool = False) -> str:
        endpoint = await super().broadcast(signed, everywhere=everywhere)
        if self.doubling:
            raise SendRefused(Refusal.NONCE_TOO_LOW, "nonce too low")
        return endpoint


async def test_does_not_pay_twice_where_a_refused_transaction_was_mined_all_the_same(start: Start) -> None:
    chain = DoublingChain()
    async with start(chain=chain) as bench:
        await quiet(bench)
        chain.doubling = True
        bench.publish(F1=110_000)
        await asyncio.sleep(5)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert chain.nonce == 2
