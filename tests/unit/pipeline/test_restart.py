"""A network that starts over a journal, or over an account that others use: it makes good what it finds."""

import asyncio

import pytest

from keeper.domain.errors import Refusal, Rejected, SendRefused, Transient, Uncertain
from keeper.domain.events import OthersInFlight, PushFinal, PushSent
from keeper.domain.price import Price
from keeper.domain.transaction import Outcome
from tests.support.chain import GWEI, FakeChain
from tests.support.clock import LoopClock
from tests.support.journal import FakeJournal
from tests.support.market import FEEDS
from tests.unit.pipeline.conftest import Start

F1, F2 = FEEDS[:2]

pytestmark = pytest.mark.looptime


async def settle(seconds: float = 0.1) -> None:
    """Let virtual time pass."""
    await asyncio.sleep(seconds)


async def test_bytes_in_the_journal_are_handed_over_before_anything_replaces_them(start: Start) -> None:
    journal, chain = FakeJournal(), FakeChain(automine=False)
    chain.refuse = [Uncertain("cut")]
    async with start(journal=journal, chain=chain) as bench:
        bench.publish(F1=100_000)
        await settle()
    (lost,) = chain.sent
    chain.pass_blocks(100)
    await settle(1000)
    async with start(journal=journal, chain=chain) as bench:
        bench.publish(F1=110_000)
        await settle()
        assert chain.sent == [lost, lost]


async def test_what_was_mined_before_a_restart_is_final_soon_after_it(start: Start) -> None:
    journal, chain = FakeJournal(), FakeChain()
    async with start(journal=journal, chain=chain) as bench:
        bench.publish(F1=100_000)
        await settle(1)
    await settle(1000)
    async with start(journal=journal, chain=chain) as bench:
        bench.publish(F1=100_000)
        await settle(1)
        chain.pass_blocks(2)
        await settle(5)
        assert 1 in [final.push for final in bench.told(PushFinal)]


async def test_what_recovered_pushes_carry_is_not_sent_twice(start: Start) -> None:
    journal, chain = FakeJournal(), FakeChain(automine=False)
    async with start(journal=journal, chain=chain) as bench:
        bench.publish(F1=100_000)
        await settle()
    async with start(journal=journal, chain=chain, max_in_flight=2) as bench:
        bench.publish(F1=100_000)
        await settle(20)
        assert bench.pushed() == []
        bench.publish(F1=100_000, F2=200_000)
        await settle()
        assert bench.pushed() == [(F2,)]


async def test_a_refused_transaction_that_may_be_out_is_not_hammered_at_the_node(start: Start) -> None:
    async with start() as bench:
        bench.chain.automine = False
        bench.publish(F1=100_000)
        await settle(1)
        bench.chain.drop_pool()
        bench.chain.refuse = [SendRefused(Refusal.UNDERPRICED, "fee too low")] * 1000
        bench.chain.requests.clear()
        await settle(60)
        assert 1 <= bench.chain.requests["broadcast"] <= 5
        bench.chain.refuse = []
        await settle(30)
        assert len(bench.chain.pool) == 1


async def test_a_push_that_somebody_else_made_needless_is_not_paid_for(start: Start) -> None:
    async with start() as bench:
        bench.publish(F1=100_000)
        await settle(2)
        bench.chain.use_nonce()
        bench.chain.prices[F1] = Price(110_000, 1, -8, int(LoopClock().now()))
        balance = bench.chain.balance
        bench.publish(F1=110_000)
        await settle(5)
        assert bench.outcomes() == [Outcome.CONFIRMED, Outcome.DROPPED]
        assert bench.chain.balance == balance


async def test_a_push_that_took_another_nonce_is_replaced_like_any_other(start: Start) -> None:
    async with start() as bench:
        bench.publish(F1=100_000)
        await settle(2)
        bench.chain.use_nonce()
        bench.chain.automine = False
        bench.publish(F1=110_000)
        await settle(10)
        bench.publish(F1=120_000)
        bench.chain.pass_blocks(2)
        await settle(10)
        assert [(sent.nonce, sent.replaces) for sent in bench.told(PushSent)] == [(0, False), (2, False), (2, True)]
        bench.chain.mine()
        await settle(3)
        assert bench.chain.prices[F1].price == 120_000


async def test_on_a_fresh_disk_what_is_pending_may_land_first_and_is_not_paid_for_again(start: Start) -> None:
    chain = FakeChain(automine=False)
    async with start(chain=chain) as bench:
        bench.publish(F1=100_000)
        await settle()
    async with start(chain=chain, journal=FakeJournal()) as bench:
        bench.publish(F1=100_000)
        await settle(1)
        assert bench.told(OthersInFlight) == [OthersInFlight("test", (0,), 2.0)]
        chain.mine()
        await settle(20)
        assert bench.pushed() == []
        bench.publish(F1=110_000)
        await settle()
        assert [sent.nonce for sent in bench.told(PushSent)] == [1]


async def test_on_a_fresh_disk_what_is_pending_for_too_long_is_outbid(start: Start) -> None:
    chain = FakeChain(automine=False)
    async with start(chain=chain) as bench:
        bench.publish(F1=100_000)
        await settle()
    async with start(chain=chain, journal=FakeJournal()) as bench:
        bench.publish(F1=110_000)
        await settle(1.5)
        assert bench.pushed() == []
        await settle(2)
        assert chain.pool[0].fee_cap > 2 * GWEI
        chain.mine()
        await settle(3)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert (chain.nonce, chain.prices[F1].price) == (1, 110_000)


async def test_a_node_that_does_not_tell_what_is_pending_keeps_nobody_from_sending(start: Start) -> None:
    class Terse(FakeChain):
        async def pending_nonce(self) -> int:
            raise Rejected("the node knows no pending block")

    async with start(chain=Terse()) as bench:
        bench.publish(F1=100_000)
        await settle()
        assert bench.outcomes() == [Outcome.CONFIRMED]


async def test_a_node_that_fails_meanwhile_makes_nobody_wait_for_longer(start: Start) -> None:
    class Failing(FakeChain):
        failing = False

        async def mined_nonce(self) -> int:
            if self.failing:
                raise Transient("the node does not answer")
            return await super().mined_nonce()

    chain = Failing(automine=False)
    async with start(chain=chain) as bench:
        bench.publish(F1=100_000)
        await settle()
    chain.failing = True
    async with start(chain=chain, journal=FakeJournal()) as bench:
        bench.publish(F1=110_000)
        await settle(4)
        assert len(bench.told(OthersInFlight)) == 1
        assert [sent.nonce for sent in bench.told(PushSent)] == [0]
