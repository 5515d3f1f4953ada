"""A network that is told of heads and stored prices: what it asks, whose prices they are, what it does not send."""

import asyncio
from collections import Counter

import pytest

from keeper.domain.events import ContractChanged, FollowModeChanged, PushFinal, PushFinished, PushPlanned
from keeper.domain.policy import Early, FeedPolicy, Staleness
from keeper.domain.price import Price
from keeper.domain.sightings import Origin
from keeper.domain.transaction import Outcome
from tests.support.hostile_chain import HostileChain
from tests.support.market import FEEDS
from tests.support.waiting import wait_until
from tests.unit.pipeline.conftest import Bench, Start

pytestmark = pytest.mark.looptime


class LiveChain(HostileChain):
    """Its node offers subscriptions, and a block comes every two seconds."""

    def __init__(self) -> None:
        super().__init__(subscribable=True)

    async def blocks(self) -> None:
        while True:
            await asyncio.sleep(2)
            self.next_block()


PATIENT = FeedPolicy(rules=(Staleness(200),), early=Early.NEVER, max_source_age_s=60)


async def quiet_kept(bench: Bench) -> None:
    """The same, and what was told of it."""
    bench.publish(F1=100_000, F2=100_000)
    await asyncio.sleep(13)  # between two blocks


async def quiet(bench: Bench) -> None:
    """Both feeds on chain at 100,000, final, and the debounce window over."""
    bench.publish(F1=100_000, F2=100_000)
    await asyncio.sleep(13)  # between two blocks
    bench.events.clear()


def asked_since(chain: HostileChain, before: Counter[str]) -> dict[str, int]:
    return dict(chain.requests - before)


def now() -> int:
    return int(asyncio.get_running_loop().time())


def price(bench: Bench, value: int, *, ahead_s: int = 0) -> Price:
    (update,) = bench.market.event({"F1": value}, ahead_s=ahead_s).updates
    return update.prices[FEEDS[0]]


async def run_blocks(chain: LiveChain) -> asyncio.Task[None]:
    return asyncio.create_task(chain.blocks())


async def test_a_push_costs_two_requests_in_all(start: Start) -> None:
    chain = LiveChain()
    mining = await run_blocks(chain)
    async with start(chain=chain) as bench:
        await quiet(bench)
        before = Counter(chain.requests)
        bench.publish(F1=110_000)
        await asyncio.sleep(20)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert bench.network.status().in_flight == 0
        assert asked_since(chain, before) == {"broadcast": 1, "look": 1}
    mining.cancel()


async def test_without_subscriptions_a_mined_push_is_looked_at_once_more_when_it_should_be_final(start: Start) -> None:
    chain = LiveChain()
    mining = await run_blocks(chain)
    async with start(chain=chain, polls_only=True) as bench:
        for value in (100_000, 110_000, 120_000):  # it learns the chain's pace
            bench.publish(F1=value, F2=100_000)
            await asyncio.sleep(20)
        bench.publish(F1=130_000)
        await wait_until(lambda: len(bench.told(PushFinished)) == 4, timeout_s=20)
        mined = Counter(chain.requests)
        await asyncio.sleep(20)
        assert asked_since(chain, mined) == {"look": 1}
        assert len(bench.told(PushFinal)) == 4
    mining.cancel()


async def test_a_push_that_stores_nothing_is_found_all_the_same(start: Start) -> None:
    chain = LiveChain()
    mining = await run_blocks(chain)
    async with start(chain=chain) as bench:
        await quiet(bench)
        chain.reverting = "it is out of order"
        bench.publish(F1=110_000)
        await asyncio.sleep(5)
        assert bench.outcomes() == [Outcome.REVERTED]
    mining.cancel()


async def test_an_idle_network_asks_for_nothing_between_polls(start: Start) -> None:
    chain = LiveChain()
    mining = await run_blocks(chain)
    async with start(chain=chain, poll_interval_s=300.0) as bench:
        await quiet(bench)
        before = Counter(chain.requests)
        for _ in range(3600):
            bench.publish(F1=100_000, F2=100_000)
            await asyncio.sleep(0.01)
        assert asked_since(chain, before) == {}
    mining.cancel()


async def test_knows_its_own_pushes_from_those_of_others(start: Start) -> None:
    chain = LiveChain()
    mining = await run_blocks(chain)
    async with start(chain=chain) as bench:
        await quiet(bench)
        chain.rival_stores(F1=price(bench, 100_050, ahead_s=1))
        stored_in = chain.block
        await asyncio.sleep(1)
        seen = bench.network.status().following.sightings
        assert seen.counts == {Origin.SELF: 2, Origin.OTHER: 1}
        assert seen.by_feed == {(FEEDS[0], Origin.SELF): 1, (FEEDS[1], Origin.SELF): 1, (FEEDS[0], Origin.OTHER): 1}
        assert (seen.recent[0].feed_id, seen.recent[0].block, seen.recent[0].origin) == (
            FEEDS[0],
            stored_in,
            Origin.OTHER,
        )
    mining.cancel()


async def test_a_rivals_fresher_price_takes_back_a_verdict_that_waits_in_the_window(start: Start) -> None:
    chain = LiveChain()
    mining = await run_blocks(chain)
    async with start(chain=chain, debounce_s=5.0) as bench:
        await quiet(bench)
        bench.publish(F1=110_000)
        await asyncio.sleep(2.5)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        sent = len(chain.sent)
        bench.publish(F1=120_000)
        await asyncio.sleep(0.5)
        assert next(feed.judgement.verdict for feed in bench.network.status().feeds) == "due"
        chain.rival_stores(F1=price(bench, 120_000))
        await asyncio.sleep(30)
        assert len(chain.sent) == sent
    mining.cancel()


async def test_a_rivals_price_that_a_reorganisation_takes_back_is_believed_no_more(start: Start) -> None:
    chain = LiveChain()
    mining = await run_blocks(chain)
    async with start(chain=chain) as bench:
        await quiet(bench)
        before = {FEEDS[0]: chain.prices[FEEDS[0]]}
        rival = chain.rival_stores(F1=price(bench, 110_000))
        bench.publish(F1=110_000)
        await asyncio.sleep(1)
        assert len(chain.sent) == 1
        chain.take_back(rival, before)
        await asyncio.sleep(5)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert chain.prices[FEEDS[0]].price == 110_000
        assert bench.network.status().following.sightings.taken_back == 1
    mining.cancel()


async def test_without_subscriptions_a_rivals_price_is_known_by_the_next_poll(start: Start) -> None:
    async with start(poll_interval_s=60.0) as bench:
        await quiet(bench)
        bench.chain.prices[FEEDS[0]] = price(bench, 100_050, ahead_s=1)
        bench.chain.block += 1
        await asyncio.sleep(60)
        assert bench.network.status().following.sightings.counts == {Origin.SELF: 2, Origin.OTHER: 1}


async def test_tells_how_it_follows_the_chain(start: Start) -> None:
    chain = LiveChain()
    mining = await run_blocks(chain)
    async with start(chain=chain, poll_interval_s=300.0) as bench:
        await quiet_kept(bench)
        assert [told.mode for told in bench.told(FollowModeChanged)] == ["event-driven + 300000ms fallback"]
        assert bench.network.status().following.interval_s == 300.0
    mining.cancel()


async def test_the_emergency_switch_leaves_subscriptions_alone(start: Start) -> None:
    chain = LiveChain()
    mining = await run_blocks(chain)
    async with start(chain=chain, polls_only=True) as bench:
        await quiet_kept(bench)
        assert chain.listener is None
        assert [told.mode for told in bench.told(FollowModeChanged)] == ["polling"]
        assert bench.outcomes() == [Outcome.CONFIRMED]
    mining.cancel()


async def test_polls_often_while_others_push_too(start: Start) -> None:
    async with start(poll_interval_s=400.0, debounce_s=0.0, policies=dict.fromkeys(FEEDS[:2], PATIENT)) as bench:
        await quiet(bench)
        before = bench.chain.requests["glance"]
        await asyncio.sleep(4_000)
        assert bench.chain.requests["glance"] == before + 10
        bench.chain.prices[FEEDS[0]] = price(bench, 100_050)
        bench.chain.block += 1
        await asyncio.sleep(600)
        assert bench.chain.requests["glance"] >= before + 13


async def test_a_new_update_fee_is_learned_as_soon_as_the_contract_tells(start: Start) -> None:
    chain = LiveChain()
    mining = await run_blocks(chain)
    async with start(chain=chain) as bench:
        await quiet(bench)
        chain.fee_per_message = 7
        assert chain.listener is not None
        chain.listener.on_change("FeeSet", chain.block)
        await asyncio.sleep(0.5)
        assert [told.what for told in bench.told(ContractChanged)] == [
            "FeeSet",
            "update fee 1 -> 7 wei a message",
        ]
        bench.publish(F1=110_000)
        await asyncio.sleep(5)
        assert [planned.update_fee for planned in bench.told(PushPlanned)] == [7]
        assert bench.outcomes() == [Outcome.CONFIRMED]
    mining.cancel()


async def test_an_upgrade_to_what_refuses_pushes_is_told_until_it_is_mended(start: Start) -> None:
    chain = LiveChain()
    mining = await run_blocks(chain)
    async with start(chain=chain, poll_interval_s=30.0) as bench:
        await quiet(bench)
        chain.reverting = "execution reverted"
        assert chain.listener is not None
        chain.listener.on_change("ContractUpgraded", chain.block)
        await asyncio.sleep(65)
        assert bench.network.status().detail == (
            "the contract has changed (ContractUpgraded), and refuses pushes: execution reverted"
        )
        chain.reverting = ""
        await asyncio.sleep(30)
        assert bench.network.status().detail == ""
    mining.cancel()


async def test_a_poll_finds_a_new_fee_that_nobody_told_of(start: Start) -> None:
    async with start(poll_interval_s=60.0) as bench:
        await quiet(bench)
        terms = bench.chain.requests["terms"]
        await asyncio.sleep(300)
        assert bench.chain.requests["terms"] == terms
        bench.chain.fee_per_message = 7
        await asyncio.sleep(60)
        assert [told.what for told in bench.told(ContractChanged)] == ["update fee 1 -> 7 wei a message"]
        assert bench.chain.requests["terms"] == terms + 1


async def test_other_code_behind_the_contract_is_found_within_two_hours_though_nobody_told_of_it(start: Start) -> None:
    async with start(poll_interval_s=300.0) as bench:
        await quiet(bench)
        terms = bench.chain.requests["terms"]
        bench.chain.implementation = "0x" + "b2" * 20
        await asyncio.sleep(7500)
        (told,) = bench.told(ContractChanged)
        assert told.what == f"implementation 0x{'a1' * 20} -> 0x{'b2' * 20}"
        assert bench.chain.requests["terms"] == terms + 1


async def test_a_contract_that_cannot_be_read_any_more_is_not_asked_again_and_again(start: Start) -> None:
    chain = LiveChain()
    mining = await run_blocks(chain)
    async with start(chain=chain, poll_interval_s=300.0) as bench:
        await quiet(bench)
        chain.unreadable = 1_000
        assert chain.listener is not None
        before = chain.requests["read"]
        chain.listener.on_change("Paused", chain.block)
        await asyncio.sleep(200)
        assert "Paused" in bench.network.status().detail
        assert chain.unreadable >= 1_000 - 5
        assert chain.requests["read"] <= before + 5
    mining.cancel()


async def test_a_push_that_paid_too_little_teaches_the_new_fee_at_once(start: Start) -> None:
    chain = LiveChain()
    mining = await run_blocks(chain)
    async with start(chain=chain, poll_interval_s=10_000.0) as bench:
        await quiet(bench)
        terms = chain.requests["terms"]
        chain.fee_per_message = 7
        bench.publish(F1=110_000)
        await asyncio.sleep(4.5)
        assert bench.outcomes() == [Outcome.REVERTED]
        assert chain.requests["terms"] == terms + 1
        bench.publish(F1=110_000)
        await asyncio.sleep(8)
        assert bench.outcomes() == [Outcome.REVERTED, Outcome.CONFIRMED]
        assert bench.told(PushPlanned)[-1].update_fee == 7
    mining.cancel()


async def test_an_endpoint_that_is_behind_is_asked_for_what_shows_it(start: Start) -> None:
    chain = LiveChain()
    mining = await run_blocks(chain)
    async with start(chain=chain, poll_interval_s=30.0) as bench:
        await quiet(bench)
        before = Counter(chain.requests)
        await asyncio.sleep(30)
        assert asked_since(chain, before) == {"glance": 1}
        chain.lag = 2
        await asyncio.sleep(30)
        assert asked_since(chain, before) == {"glance": 2, "read": 1}
    mining.cancel()
