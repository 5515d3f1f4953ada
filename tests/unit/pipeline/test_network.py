"""What a network does with prices: pushes, windows, retries, replacements, forcing, stopping."""

import asyncio
from dataclasses import replace

import pytest

from keeper.domain.budget import Allowance, Budget, SpendLimit, SpendMode
from keeper.domain.errors import Refusal, SendRefused, Transient, Uncertain
from keeper.domain.events import (
    ChainReadFailed,
    FeeCapReached,
    ForceRequested,
    NothingToPush,
    PushFinal,
    PushFinished,
    PushOrphaned,
    PushPlanned,
    PushRetried,
    PushSent,
)
from keeper.domain.explanation import explain
from keeper.domain.fees import FeePolicy
from keeper.domain.policy import Reason, Verdict
from keeper.domain.transaction import Outcome
from keeper.domain.units import Wei
from keeper.pipeline.debounce import DebounceMode
from keeper.pipeline.governor import SpendRules
from keeper.ports import Account
from keeper.signing.raw_key import RawKeySigner
from tests.support.chain import GWEI, FakeChain
from tests.support.clock import LoopClock
from tests.support.journal import FakeJournal
from tests.support.market import FEEDS
from tests.unit.pipeline.conftest import POLICY, SUBMIT, Bench, Start

F1, F2 = FEEDS[:2]
ACCOUNT = Account("test", 31337, RawKeySigner(bytes(31) + b"\x01").address)

pytestmark = pytest.mark.looptime


async def settle(seconds: float = 0.1) -> None:
    """Let virtual time pass."""
    await asyncio.sleep(seconds)


async def quiet(bench: Bench) -> None:
    """Both feeds on chain at 100,000, and the debounce window over."""
    bench.publish(F1=100_000, F2=100_000)
    await settle(2)
    bench.events.clear()


async def test_first_prices_are_pushed_together(start: Start) -> None:
    async with start() as bench:
        bench.publish(F1=100_000, F2=200_000)
        await settle()
        assert bench.pushed() == [(F1, F2)]
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert bench.chain.prices[F2].price == 200_000


async def test_pushes_only_the_feed_that_deviates(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.publish(F1=100_099, F2=100_100)
        await settle()
        assert bench.pushed() == [(F2,)]
        assert bench.chain.prices[F1].price == 100_000


async def test_spends_one_broadcast_and_no_other_request_before_it(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.requests.clear()
        bench.chain.automine = False
        bench.publish(F1=200_000, F2=100_000)
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        assert bench.chain.requests == {"broadcast": 1}
        bench.chain.mine()


async def test_leading_window_sends_the_first_at_once_and_the_rest_at_its_end(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.publish(F1=110_000, F2=100_000)
        await settle(0.2)
        assert bench.pushed() == [(F1,)]
        await settle(0.7)
        bench.publish(F1=110_000, F2=120_000)
        await settle(0.05)
        assert bench.pushed() == [(F1,)]
        await settle(0.1)
        assert bench.pushed() == [(F1,), (F2,)]


async def test_trailing_window_gathers_a_market_wide_move(start: Start) -> None:
    async with start(debounce_mode=DebounceMode.TRAILING) as bench:
        await quiet(bench)
        bench.publish(F1=110_000, F2=100_000)
        await settle(0.5)
        bench.publish(F1=111_000, F2=120_000)
        await settle(0.4)
        assert bench.pushed() == []
        await settle(0.2)
        assert bench.pushed() == [(F1, F2)]
        assert bench.chain.prices[F1].price == 111_000


async def test_a_price_that_comes_back_within_the_window_is_not_pushed(start: Start) -> None:
    async with start(debounce_mode=DebounceMode.TRAILING) as bench:
        await quiet(bench)
        bench.publish(F1=110_000)
        await settle(0.5)
        bench.publish(F1=100_000)
        await settle(3)
        assert bench.pushed() == []


async def test_without_a_window_every_due_event_is_a_push(start: Start) -> None:
    async with start(debounce_s=0.0) as bench:
        await quiet(bench)
        for price in (110_000, 121_000, 133_000):
            bench.publish(F1=price)
            await settle(1)
        assert bench.outcomes() == [Outcome.CONFIRMED] * 3


async def test_never_pushes_the_same_second_twice(start: Start) -> None:
    async with start(debounce_s=0.0) as bench:
        await quiet(bench)
        bench.publish(F1=110_000)
        await settle(0.1)
        bench.publish(F1=150_000)
        await settle(0.1)
        assert len(bench.pushed()) == 1


async def test_heartbeat_pushes_a_still_price_at_its_staleness(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        for _ in range(70):
            bench.publish(F1=100_000, F2=100_000)
            await settle(1)
        assert bench.pushed() == [(F1, F2)]
        (planned,) = bench.told(PushPlanned)
        assert {reason for _, reason in planned.feeds} == {Reason.STALE}


async def test_force_pushes_within_thresholds_and_debounce(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.publish(F1=100_001, F2=100_001)
        bench.network.force("signal")
        await settle()
        assert bench.pushed() == [(F1, F2)]
        assert bench.told(ForceRequested)[0].origin == "signal"


async def test_force_waits_for_a_price_newer_than_the_chain(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.network.force("signal")
        await settle(1)
        assert bench.pushed() == []
        bench.publish(F1=100_001)
        await settle()
        assert bench.pushed() == [(F1,)]


async def test_force_with_nothing_newer_says_so_and_is_over(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.network.force("signal")
        await settle(4)
        assert bench.told(NothingToPush) == [NothingToPush("test", "signal")]
        bench.publish(F1=100_001)
        await settle(2)
        assert bench.pushed() == []


async def test_force_timer_counts_from_the_start(start: Start) -> None:
    async with start(force_interval_s=30.0) as bench:
        await quiet(bench)
        await settle(27)
        assert bench.told(ForceRequested) == []
        bench.publish(F1=100_001)
        await settle(2)
        assert [asked.origin for asked in bench.told(ForceRequested)] == ["timer"]
        assert bench.pushed() == [(F1,)]


async def test_unreachable_endpoints_are_retried_with_doubling_delay_and_fresher_prices(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.refuse = [Transient("refused"), Transient("refused")]
        bench.publish(F1=110_000)
        await settle(4)
        bench.publish(F1=120_000)
        await settle(20)
        assert [retry.delay_s for retry in bench.told(PushRetried)] == [5.0, 10.0]
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert bench.chain.prices[F1].price == 120_000
        assert len(bench.chain.receipts) == 2


async def test_gives_up_after_its_retries_keeps_the_nonce_and_tries_again_later(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.refuse = [Transient("refused")] * 4
        bench.publish(F1=110_000)
        await settle(36)
        assert bench.outcomes() == [Outcome.FAILED]
        assert bench.network.status().consecutive_failures == 1
        bench.publish(F1=110_000)
        await settle(6)
        assert bench.outcomes() == [Outcome.FAILED, Outcome.CONFIRMED]
        assert bench.chain.nonce == 2
        assert bench.network.status().consecutive_failures == 0


async def test_a_price_that_calms_down_while_retrying_is_dropped_unpaid(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.refuse = [Transient("refused")]
        bench.publish(F1=110_000)
        await settle(1)
        bench.publish(F1=100_000)
        await settle(10)
        assert bench.outcomes() == [Outcome.FAILED]
        assert bench.chain.nonce == 1


async def test_an_unanswered_send_is_watched_before_anything_else_is_sent(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.chain.lose_answers = 1
        sent_before = set(bench.chain.sent)
        bench.publish(F1=110_000)
        await settle(5)
        bench.chain.mine()
        await settle(3)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert len(set(bench.chain.sent) - sent_before) == 1


async def test_a_late_transaction_is_replaced_at_its_nonce_with_fresher_prices_and_higher_fees(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.publish(F1=110_000)
        await settle(10)
        bench.publish(F1=120_000)
        bench.chain.pass_blocks(2)
        await settle(10)
        first, second = bench.told(PushSent)
        assert first.nonce == second.nonce == 1
        assert (first.replaces, second.replaces) == (False, True)
        assert bench.network.status().replacements == 1
        bench.chain.mine()
        await settle(3)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert bench.chain.prices[F1].price == 120_000
        assert bench.chain.nonce == 2


async def test_any_attempt_of_a_nonce_may_land(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.publish(F1=110_000)
        await settle(1)
        first = bench.chain.pool[1]
        bench.publish(F1=120_000)
        bench.chain.pass_blocks(2)
        await settle(16)
        assert len(bench.told(PushSent)) == 2
        bench.chain.pool[1] = first
        bench.chain.mine()
        await settle(3)
        (finished,) = bench.told(PushFinished)
        assert finished.outcome is Outcome.CONFIRMED
        assert finished.tx_hash == first.tx_hash
        assert next(iter(bench.network.status().feeds)).on_chain == bench.chain.prices[F1]


async def test_a_nonce_used_by_a_stranger_ends_the_push_and_is_learned(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.publish(F1=110_000)
        await settle(1)
        bench.chain.use_nonce()
        bench.chain.automine = True
        bench.publish(F1=110_000)
        await settle(30)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert [sent.nonce for sent in bench.told(PushSent)] == [1, 2]
        bench.chain.pass_blocks(2)
        await settle(20)
        assert bench.outcomes() == [Outcome.CONFIRMED, Outcome.SUPERSEDED]


async def test_a_nonce_too_low_is_corrected_within_the_push(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.use_nonce()
        bench.publish(F1=110_000)
        await settle()
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert bench.told(PushSent)[0].nonce == 2


async def test_an_underpriced_transaction_is_repriced_within_the_push(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.base_fee = 50 * GWEI
        bench.publish(F1=110_000)
        await settle()
        assert bench.outcomes() == [Outcome.CONFIRMED]


async def test_outbids_a_pending_transaction_it_does_not_know(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        refusal = SendRefused(Refusal.REPLACEMENT_UNDERPRICED, "replacement transaction underpriced")
        bench.chain.refuse = [refusal, refusal]
        bench.publish(F1=110_000)
        await settle()
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert len(set(bench.chain.sent)) == len(bench.chain.sent)


async def test_without_funds_the_push_is_dropped_and_works_again_after_a_top_up(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.balance = 1
        bench.publish(F1=110_000)
        await settle()
        assert bench.outcomes() == [Outcome.DROPPED]
        assert "insufficient_funds" in bench.network.status().detail
        bench.chain.balance = 10**18
        bench.publish(F1=110_000)
        await settle(6)
        assert bench.outcomes() == [Outcome.DROPPED, Outcome.CONFIRMED]


async def test_a_revert_is_paid_once_and_not_paid_again_for_the_same_fault(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.reverting = "InvalidWormholeVaa"
        for _ in range(100):
            bench.publish(F1=110_000)
            await settle(1)
        assert bench.outcomes()[0] is Outcome.REVERTED
        assert set(bench.outcomes()[1:]) == {Outcome.DROPPED}
        assert len(bench.chain.receipts) == 2
        bench.chain.reverting = ""
        for _ in range(300):
            bench.publish(F1=120_000)
            await settle(1)
        assert bench.outcomes()[-1] is Outcome.CONFIRMED


async def test_a_raised_update_fee_costs_one_revert(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.fee_per_message = 1000
        bench.publish(F1=110_000)
        await settle()
        bench.publish(F1=110_000)
        await settle(6)
        assert bench.outcomes() == [Outcome.REVERTED, Outcome.CONFIRMED]


async def test_a_lost_race_is_neither_success_nor_failure(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        event = bench.market.event({"F1": 110_000})
        bench.chain.prices[F1] = event.updates[0].prices[F1]
        bench.network.take(event)
        await settle()
        assert bench.outcomes() == [Outcome.NOTHING_NEWER]
        status = bench.network.status()
        assert status.consecutive_failures == 0
        assert status.pushes[Outcome.CONFIRMED] == 1


async def test_accounts_for_every_wei(start: Start) -> None:
    async with start() as bench:
        before = bench.chain.balance
        await quiet(bench)
        bench.publish(F1=110_000)
        await settle(2)
        bench.chain.reverting = "InvalidUpdateData"
        bench.publish(F1=120_000)
        await settle(2)
        status = bench.network.status()
        assert status.pushes[Outcome.REVERTED] == 1
        assert before - bench.chain.balance == status.spent_gas + status.spent_update_fees


async def test_a_dry_run_decides_and_sends_nothing(start: Start) -> None:
    async with start(dry_run=True) as bench:
        await quiet(bench)
        bench.publish(F1=110_000)
        await settle(2)
        bench.publish(F1=110_000)
        await settle(2)
        assert bench.pushed() == [(F1,)]
        assert bench.chain.sent == []


async def test_a_push_too_big_for_a_block_is_split_and_follows_at_once(start: Start) -> None:
    chain = FakeChain(block_gas_limit=2_000_000)
    policies = dict.fromkeys(FEEDS[:40], POLICY)
    async with start(chain=chain, policies=policies) as bench:
        bench.publish(**{f"F{number}": 100_000 for number in range(1, 41)})
        await settle(0.5)
        assert len(bench.pushed()) > 1
        assert sorted(feed_id for push in bench.pushed() for feed_id in push) == sorted(FEEDS[:40])
        assert set(bench.outcomes()) == {Outcome.CONFIRMED}


async def test_waits_for_a_chain_that_does_not_answer(start: Start) -> None:
    async with start(chain=FakeChain(unreadable=3)) as bench:
        bench.publish(F1=100_000)
        await settle(0.1)
        status = bench.network.status()
        assert not status.ready
        assert status.detail == "no endpoint answers"
        await settle(20)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert len(bench.told(ChainReadFailed)) == 3


async def test_the_slow_poll_learns_what_others_pushed(start: Start) -> None:
    async with start(poll_interval_s=20.0) as bench:
        await quiet(bench)
        theirs = bench.market.event({"F1": 150_000}).updates[0].prices[F1]
        bench.chain.prices[F1] = theirs
        bench.chain.block += 1
        await settle(20)
        assert next(iter(bench.network.status().feeds)).on_chain == theirs


async def test_stopping_lets_a_push_land(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.publish(F1=110_000)
        await settle(1)
        bench.network.stop()
        bench.chain.mine()
        await settle(3)
        assert bench.outcomes() == [Outcome.CONFIRMED]


async def test_cancelled_it_names_the_transaction_left_in_flight(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.publish(F1=110_000)
        await settle(1)
        in_flight = bench.chain.pool[1].tx_hash
    (finished,) = bench.told(PushFinished)
    assert finished.outcome is Outcome.UNRESOLVED
    assert finished.tx_hash == in_flight


async def test_status_tells_each_feed_with_its_verdict(start: Start) -> None:
    async with start(aliases={F1: "BTC/USD", F2: "ETH/USD"}) as bench:
        await quiet(bench)
        bench.publish(F1=100_050)
        await settle()
        first, second = bench.network.status().feeds
        assert first.alias == "BTC/USD"
        assert first.deviation_ppm == 500
        assert (first.judgement.verdict, first.judgement.reason) == (Verdict.HOLD, Reason.WITHIN_THRESHOLDS)
        assert second.judgement.reason is Reason.NOT_NEWER
        assert second.last_push_outcome is Outcome.CONFIRMED


async def test_while_a_push_is_in_flight_status_tells_the_price_that_verdicts_go_by(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.publish(F1=200_000, F2=100_000)
        await settle()
        flying, quiet_one = bench.network.status().feeds
        assert (flying.coming, flying.on_chain) == (flying.source, bench.chain.prices[F1])
        assert quiet_one.coming == quiet_one.on_chain
        for feed in (flying, quiet_one):
            assert feed.policy is not None
            assert explain(feed.policy, feed.source, feed.coming, LoopClock().now()).judgement == feed.judgement
        bench.chain.mine()
        await settle()


async def test_a_stalled_chain_is_no_reason_to_raise_the_fee(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.automine = False
        for _ in range(100):
            bench.publish(F1=110_000)
            await settle(1)
        (sent,) = bench.told(PushSent)
        assert bench.chain.pool[1].tx_hash == sent.tx_hash


async def test_a_forgotten_transaction_is_sent_again(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.publish(F1=110_000)
        await settle(1)
        bench.chain.drop_pool()
        await settle(20)
        bench.chain.mine()
        await settle(3)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert bench.chain.nonce == 2


async def test_at_the_fee_cap_the_transaction_is_kept_alive_and_told(start: Start) -> None:
    submit = replace(SUBMIT, fees=FeePolicy(max_fee=Wei(3 * GWEI)))
    async with start(submit=submit) as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.publish(F1=110_000)
        await settle(1)
        first = bench.chain.pool[1]
        bench.chain.pass_blocks(2)
        bench.publish(F1=120_000)
        await settle(5)
        assert bench.told(FeeCapReached)
        assert bench.chain.pool[1] == first
        bench.chain.mine()
        await settle(3)
        assert bench.outcomes()[0] is Outcome.CONFIRMED


async def test_a_push_becomes_final_when_deep_enough(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.publish(F1=110_000)
        await settle(1)
        assert bench.told(PushFinal) == []
        bench.chain.pass_blocks(2)
        await settle(10)
        assert sorted(final.push for final in bench.told(PushFinal)) == [1, 2]


async def test_a_push_taken_back_by_a_reorganisation_lands_again_and_is_counted_once(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.publish(F1=110_000)
        await settle(0.1)
        bench.chain.automine = False
        bench.chain.reorganise()
        await settle(5)
        assert [orphaned.push for orphaned in bench.told(PushOrphaned)] == [2]
        assert bench.network.status().pushes[Outcome.CONFIRMED] == 1
        bench.chain.mine()
        await settle(5)
        assert bench.network.status().pushes[Outcome.CONFIRMED] == 2
        assert bench.chain.prices[F1].price == 110_000
        assert bench.chain.nonce == 2


async def test_several_pushes_may_be_in_flight_with_consecutive_nonces(start: Start) -> None:
    async with start(max_in_flight=2, debounce_s=0.0) as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.publish(F1=110_000)
        await settle(1)
        bench.publish(F2=110_000)
        await settle(1)
        assert sorted(bench.chain.pool) == [1, 2]
        assert bench.pushed() == [(F1,), (F2,)]
        bench.chain.mine()
        await settle(3)
        assert bench.outcomes() == [Outcome.CONFIRMED] * 2


async def test_an_earlier_nonce_that_fails_is_filled_so_that_later_ones_land(start: Start) -> None:
    async with start(max_in_flight=2, debounce_s=0.0) as bench:
        await quiet(bench)
        bench.chain.automine = False
        bench.chain.refuse = [Transient("refused")]
        bench.publish(F1=110_000)
        await settle(1)
        bench.publish(F1=100_000, F2=110_000)
        await settle(1)
        assert sorted(bench.chain.pool) == [2]
        await settle(10)
        assert sorted(bench.chain.pool) == [1, 2]
        bench.chain.mine()
        await settle(3)
        assert bench.chain.nonce == 3
        assert sorted(bench.outcomes()) == [Outcome.CANCELLED, Outcome.CONFIRMED]


async def test_bytes_are_in_the_journal_before_they_leave(start: Start) -> None:
    journal = FakeJournal()
    async with start(journal=journal) as bench:
        bench.chain.refuse = [Transient("refused")]
        bench.publish(F1=100_000)
        await settle(0.1)
        (story,) = journal.shelf.stories[ACCOUNT].values()
        assert bench.chain.sent == [attempt.signed.raw for attempt in story.flight.attempts]
        assert [note.kind for note in story.notes][:2] == ["signed", "refused"]


async def test_recovers_a_push_that_was_signed_and_never_sent(start: Start) -> None:
    journal, chain = FakeJournal(), FakeChain(automine=False)
    chain.refuse = [Uncertain("cut")]
    async with start(journal=journal, chain=chain) as bench:
        bench.publish(F1=100_000)
        await settle(0.1)
    (lost,) = journal.shelf.stories[ACCOUNT][1].flight.attempts
    assert chain.pool == {}
    async with start(journal=journal, chain=chain) as bench:
        bench.publish(F1=100_000, F2=200_000)
        await settle(0.1)
        assert chain.pool[0].tx_hash == lost.signed.hash
        chain.mine()
        chain.automine = True
        await settle(5)
        assert chain.nonce == 2
        assert bench.pushed() == [(F2,)]


async def test_recovers_a_push_that_was_mined_while_it_was_away(start: Start) -> None:
    journal, chain = FakeJournal(), FakeChain(automine=False)
    async with start(journal=journal, chain=chain) as bench:
        bench.publish(F1=100_000)
        await settle(0.1)
    chain.mine()
    async with start(journal=journal, chain=chain) as bench:
        bench.publish(F1=100_000)
        await settle(1)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert bench.pushed() == []


async def test_a_lying_endpoint_does_not_make_it_skip_nonces(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.told_nonces = (100, 1)
        bench.chain.refuse = [SendRefused(Refusal.NONCE_TOO_LOW, "nonce too low")]
        bench.publish(F1=110_000)
        await settle(20)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert [sent.nonce for sent in bench.told(PushSent)] == [1]


async def test_converges_after_every_endpoint_lied_about_the_nonce(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.told_nonces = (100,)
        bench.chain.refuse = [SendRefused(Refusal.NONCE_TOO_LOW, "nonce too low")]
        bench.publish(F1=110_000)
        await settle(5)
        assert bench.told(PushSent)[-1].nonce == 100
        bench.chain.told_nonces = ()
        for _ in range(60):
            bench.publish(F1=110_000)
            await settle(1)
        assert bench.outcomes()[-1] is Outcome.CONFIRMED
        assert bench.chain.nonce == 2


async def test_a_price_from_the_future_keeps_none_out_that_comes_in_its_time(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.network.take(bench.market.event({"F1": 500_000}, ahead_s=1000))
        bench.publish(F1=110_000)
        await settle(2)
        assert bench.pushed() == [(F1,)]
        assert bench.chain.prices[F1].price == 110_000


async def test_a_first_price_from_the_future_is_not_sent_and_gives_way(start: Start) -> None:
    async with start() as bench:
        bench.network.take(bench.market.event({"F1": 500_000}, ahead_s=1000))
        await settle(2)
        assert bench.pushed() == []
        bench.publish(F1=110_000)
        await settle(2)
        assert bench.chain.prices[F1].price == 110_000


async def test_over_the_daily_budget_only_heartbeats_go_out(start: Start) -> None:
    spend = SpendRules(budget=Budget(daily=Wei(3 * 10**14)), fees=FeePolicy(), heartbeat_s=20)
    async with start(spend=spend) as bench:
        await quiet(bench)
        assert bench.network.status().spending.allowance.mode is SpendMode.HEARTBEAT_ONLY
        bench.publish(F1=200_000, F2=100_000)
        await settle(5)
        assert bench.pushed() == []
        assert bench.network.status().pushes[Outcome.HELD_BY_BUDGET] == 1
        bench.network.force("signal")
        await settle(5)
        over_budget = Allowance(SpendMode.HEARTBEAT_ONLY, SpendLimit.DAILY_BUDGET)
        assert bench.told(NothingToPush) == [NothingToPush("test", "signal", over_budget)]


async def test_goes_on_as_soon_as_endpoints_are_back(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.refuse = [Transient("refused")] * 2
        bench.publish(F1=110_000)
        await settle(6)
        bench.chain.back.set()
        await settle(0.1)
        assert bench.outcomes() == [Outcome.CONFIRMED]


async def test_after_a_long_outage_the_backoff_ends_with_it(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.refuse = [Transient("refused")] * 8
        for _ in range(80):
            bench.publish(F1=110_000)
            await settle(1)
        assert bench.outcomes() == [Outcome.FAILED, Outcome.FAILED]
        bench.chain.back.set()
        await settle(0.1)
        assert bench.outcomes()[-1] is Outcome.CONFIRMED


async def test_an_empty_account_is_looked_at_often_until_it_is_topped_up(start: Start) -> None:
    async with start() as bench:
        await quiet(bench)
        bench.chain.balance = 1
        bench.publish(F1=110_000)
        await settle(1)
        assert bench.outcomes() == [Outcome.DROPPED]
        bench.chain.balance = 10**18
        for _ in range(40):
            bench.publish(F1=110_000)
            await settle(1)
        assert bench.outcomes()[-1] is Outcome.CONFIRMED
