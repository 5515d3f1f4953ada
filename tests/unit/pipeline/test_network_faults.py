"""What a network makes of a chain that fails it: misleading answers, lost blocks, strangers with its key."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from keeper.domain.errors import Refusal, SendRefused
from keeper.domain.events import FeeCapReached, PushOrphaned, PushSent
from keeper.domain.fees import FeePolicy
from keeper.domain.transaction import Flight, Outcome, Receipt, SignedTransaction
from keeper.domain.units import FeedId, Wei
from keeper.ports import Account, ChainState, Look, Note
from tests.support.chain import GWEI, FakeChain
from tests.support.journal import FakeJournal
from tests.unit.pipeline.conftest import SUBMIT, Bench, Start

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


class LaggingChain(FakeChain):
    """The endpoint that is asked first knows no receipt from now on; another one knows them all."""

    lagging = False

    async def look(self, tx_hashes: Sequence[bytes], *, with_block: bool) -> Look:
        look = await super().look(tx_hashes, with_block=with_block)
        return Look({}, look.block) if self.lagging else look

    async def search(self, tx_hashes: Sequence[bytes]) -> Mapping[bytes, Receipt]:
        return {each: self.receipts[each] for each in tx_hashes if each in self.receipts}


async def test_an_endpoint_that_falls_behind_takes_no_block_back(start: Start) -> None:
    chain = LaggingChain()
    async with start(chain=chain) as bench:
        await quiet(bench)
        chain.lagging = True
        await asyncio.sleep(60)
        assert bench.told(PushOrphaned) == []


async def test_what_another_endpoint_knows_to_be_mined_is_found_when_it_is_sent_once_more(start: Start) -> None:
    chain = LaggingChain()
    async with start(chain=chain) as bench:
        await quiet(bench)
        chain.lagging = True
        bench.publish(F1=110_000)
        await asyncio.sleep(20)
        assert bench.outcomes() == [Outcome.CONFIRMED]


async def test_a_transaction_that_was_mined_unseen_does_not_keep_the_next_one_waiting(start: Start) -> None:
    chain = DoublingChain()
    await asyncio.sleep(100_000)
    async with start(chain=chain) as bench:
        await quiet(bench)
        chain.doubling = True
        bench.publish(F1=110_000)
        await asyncio.sleep(5)
        chain.doubling = False
        bench.publish(F1=120_000)
        await asyncio.sleep(5)
        assert bench.outcomes() == [Outcome.CONFIRMED, Outcome.CONFIRMED]


async def pass_blocks(chain: FakeChain, count: int, *, every_s: float) -> None:
    """Blocks come, and none holds what waits."""
    for _ in range(count):
        await asyncio.sleep(every_s)
        chain.pass_blocks(1)


async def test_handing_over_once_more_does_not_put_off_the_replacement(start: Start) -> None:
    """With 12 s between blocks and a repetition every 15 s."""
    async with start() as bench:
        await quiet(bench)
        await pass_blocks(bench.chain, 6, every_s=12)
        bench.chain.automine = False
        bench.publish(F1=110_000, F2=100_000)
        for _ in range(4):
            await pass_blocks(bench.chain, 1, every_s=12)
            bench.publish(F1=111_000, F2=100_000)
        await asyncio.sleep(5)
        first, second = bench.told(PushSent)[:2]
        assert (first.replaces, second.replaces) == (False, True)
        bench.chain.mine()


async def test_where_nothing_is_outbid_what_a_node_forgot_and_finds_too_cheap_now_is_replaced_all_the_same(
    start: Start,
) -> None:
    never = replace(SUBMIT.rules, replace_after_blocks=2**63)
    async with start(submit=replace(SUBMIT, rules=never, outbids=False)) as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.publish(F1=110_000)
        await pass_blocks(bench.chain, 4, every_s=1)
        assert len(bench.told(PushSent)) == 1, "it is held, late or not"
        bench.chain.drop_pool()
        bench.chain.base_fee = 50 * GWEI
        bench.publish(F1=111_000)
        await pass_blocks(bench.chain, 20, every_s=1)
        bench.chain.mine()
        await asyncio.sleep(3)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert len(bench.told(PushSent)) == 2


async def test_fees_that_rise_over_http_are_read_before_a_replacement(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.publish(F1=110_000)
        await asyncio.sleep(1)
        bench.chain.base_fee = 50 * GWEI
        bench.publish(F1=111_000)
        await pass_blocks(bench.chain, 4, every_s=1)
        assert len(bench.told(PushSent)) == 2
        bench.chain.mine()
        await asyncio.sleep(3)
        assert bench.outcomes() == [Outcome.CONFIRMED]


async def test_what_no_block_takes_any_more_is_replaced_after_one_block(start: Start) -> None:
    """Over HTTP, and once: the replacement pays."""
    async with start() as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.publish(F1=110_000)
        await asyncio.sleep(1)
        bench.chain.base_fee = 50 * GWEI
        bench.publish(F1=111_000)
        await pass_blocks(bench.chain, 1, every_s=1)
        await asyncio.sleep(20)
        assert [sent.replaces for sent in bench.told(PushSent)] == [False, True]
        bench.chain.mine()
        await asyncio.sleep(3)
        assert bench.outcomes() == [Outcome.CONFIRMED]


async def test_what_waits_is_left_alone_while_fees_are_above_the_cap(start: Start) -> None:
    submit = replace(SUBMIT, fees=FeePolicy(max_fee=Wei(10 * GWEI)))
    async with start(submit=submit) as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.publish(F1=110_000)
        await asyncio.sleep(1)
        bench.chain.base_fee = 50 * GWEI
        bench.publish(F1=111_000)
        await pass_blocks(bench.chain, 8, every_s=1)
        assert bench.told(FeeCapReached)
        assert len(bench.told(PushSent)) == 1
        bench.chain.base_fee = GWEI
        bench.chain.mine()
        await asyncio.sleep(3)
        assert bench.outcomes()[0] is Outcome.CONFIRMED


class LyingChain(FakeChain):
    """The only endpoint tells of transactions of the account that there are not."""

    async def read(self, feeds: Sequence[FeedId]) -> ChainState:
        state = await super().read(feeds)
        return replace(state, nonce=state.nonce + sum(self.told_nonces))


async def test_the_word_of_a_lone_endpoint_makes_no_gap(start: Start) -> None:
    chain = LyingChain()
    async with start(chain=chain, poll_interval_s=5.0) as bench:
        await quiet(bench)
        chain.told_nonces = (10,)
        await asyncio.sleep(20)
        bench.publish(F1=110_000)
        await asyncio.sleep(5)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert chain.nonce == 2


@dataclass
class SlowJournal(FakeJournal):
    """The last record of a push takes until it is let through."""

    ending: asyncio.Event = field(default_factory=asyncio.Event)
    let_through: asyncio.Event = field(default_factory=asyncio.Event)

    async def record(self, account: Account, flight: Flight, note: Note) -> None:
        if note.kind == "final":
            self.ending.set()
            await self.let_through.wait()
        await super().record(account, flight, note)


async def test_what_is_final_holds_nothing_up_while_the_journal_writes_that(start: Start) -> None:
    journal = SlowJournal()
    async with start(journal=journal) as bench:
        await quiet(bench)
        bench.chain.pass_blocks(4)
        await asyncio.wait_for(journal.ending.wait(), 300)
        bench.publish(F1=110_000)
        await asyncio.sleep(0.1)
        assert len(bench.told(PushSent)) == 1
        journal.let_through.set()
