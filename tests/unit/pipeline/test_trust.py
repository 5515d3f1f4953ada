"""Which source a network takes its prices from, and what becomes of one that the contract refuses."""

import asyncio
from dataclasses import replace

import pytest

from keeper.domain.accumulator import decode
from keeper.domain.errors import InvalidUpdate
from keeper.domain.events import PushFinished, SourceDistrusted, SourceTrusted
from keeper.domain.signers import SignerCheck, SignerSet
from keeper.domain.status import TrustState
from keeper.domain.transaction import Outcome
from keeper.ports import PriceEvent
from tests.support.chain import FakeChain
from tests.support.clock import LoopClock
from tests.support.market import FEEDS
from tests.support.updates import ADDRESSES, KEYS, PLAIN, Envelope
from tests.unit.pipeline.conftest import Bench, Start

F1, F2 = FEEDS[:2]
OLD = replace(PLAIN, signer_set=4)
"""Of another generation of signers."""
FORGED = replace(PLAIN, keys=KEYS[1:2])
"""By somebody else, in the name of the right signer set."""

pytestmark = pytest.mark.looptime


def of_set(number: int, blob: bytes) -> bool:
    return decode(blob).envelope[:4] == number.to_bytes(4, "big")


def chain_of_set(number: int) -> FakeChain:
    return FakeChain(distrusts=lambda blob: not of_set(number, blob))


def chain_of_signer(address: bytes) -> FakeChain:
    check = SignerSet((address,), quorum=1)

    def distrusts(blob: bytes) -> bool:
        try:
            check.check(decode(blob).vaa())
        except InvalidUpdate:
            return True
        return False

    return FakeChain(distrusts=distrusts)


def publish(bench: Bench, source: str, sealed: Envelope = PLAIN, **prices: int) -> PriceEvent:
    event = bench.market.event(prices, source=source, sealed=sealed)
    bench.network.take(event)
    return event


def standing(bench: Bench) -> dict[str, TrustState]:
    return {row.source: row.state for row in bench.network.status().trust}


async def settle(seconds: float = 0.1) -> None:
    await asyncio.sleep(seconds)


async def both_trusted(bench: Bench) -> None:
    """Two sources agree on 100,000, which is on chain; the debounce window is over."""
    for _ in range(2):
        for source in ("a", "b"):
            publish(bench, source, F1=100_000, F2=100_000)
        await settle(2)
    assert standing(bench) == {"a": TrustState.TRUSTED, "b": TrustState.TRUSTED}
    bench.events.clear()


async def test_a_source_of_the_wrong_generation_is_found_out_before_anything_is_paid(start: Start) -> None:
    async with start(chain=chain_of_set(7)) as bench:
        publish(bench, "b", OLD, F1=100_000, F2=100_000)
        publish(bench, "a", F1=100_000, F2=100_000)
        await settle()
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert standing(bench) == {"a": TrustState.TRUSTED, "b": TrustState.REFUSED}
        assert bench.told(SourceDistrusted) == [SourceDistrusted("test", "b", "InvalidWormholeVaa")]


async def test_prices_of_a_refused_source_are_not_used_however_new(start: Start) -> None:
    async with start(chain=chain_of_set(7)) as bench:
        publish(bench, "b", OLD, F1=100_000, F2=100_000)
        publish(bench, "a", F1=100_000, F2=100_000)
        await settle(2)
        publish(bench, "a", F1=100_000, F2=100_000)
        publish(bench, "b", OLD, F1=200_000, F2=100_000)
        await settle(2)
        feeds = {feed.feed_id: feed for feed in bench.network.status().feeds}
        assert (price := feeds[F1].source) is not None
        assert price.price == 100_000
        assert bench.outcomes() == [Outcome.CONFIRMED]


async def test_a_forged_update_that_reverts_is_made_up_for_in_the_same_round_by_the_next_source(start: Start) -> None:
    async with start(chain=chain_of_signer(ADDRESSES[0]), debounce_s=30.0) as bench:
        await both_trusted(bench)
        await settle(30)
        publish(bench, "b", F1=150_000, F2=100_000)
        publish(bench, "a", FORGED, F1=150_000, F2=100_000)
        await settle(0.2)
        assert bench.outcomes() == [Outcome.REVERTED, Outcome.CONFIRMED]
        assert bench.chain.prices[F1].price == 150_000
        assert standing(bench) == {"a": TrustState.REFUSED, "b": TrustState.TRUSTED}
        assert bench.network.status().consecutive_failures == 0


async def test_what_was_forced_stays_forced_when_its_source_is_refused(start: Start) -> None:
    async with start(chain=chain_of_signer(ADDRESSES[0])) as bench:
        await both_trusted(bench)
        publish(bench, "b", F1=100_001, F2=100_001)
        publish(bench, "a", FORGED, F1=100_001, F2=100_001)
        bench.network.force("signal")
        await settle(0.5)
        assert bench.outcomes() == [Outcome.REVERTED, Outcome.CONFIRMED]
        assert bench.chain.prices[F1].price == 100_001


async def test_known_signers_are_checked_before_anything_is_paid(start: Start) -> None:
    signers = SignerCheck(SignerSet(ADDRESSES[:1], quorum=1))
    async with start(chain=chain_of_signer(ADDRESSES[0]), signers=signers) as bench:
        await both_trusted(bench)
        publish(bench, "b", F1=150_000, F2=100_000)
        publish(bench, "a", FORGED, F1=150_000, F2=100_000)
        await settle(0.2)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        (told,) = bench.told(SourceDistrusted)
        assert (told.source, "signature 0" in told.reason) == ("a", True)


async def test_a_price_whose_proof_does_not_hold_is_never_sent(start: Start) -> None:
    async with start() as bench:
        await both_trusted(bench)
        publish(bench, "b", F1=150_000, F2=100_000)
        good = bench.market.event({"F1": 190_000, "F2": 100_000}, source="a")
        blob = bytearray(good.updates[0].blob)
        blob[good.updates[0].span(F1).start + 2 + 33 + 7] ^= 1
        bench.network.take(PriceEvent((decode(bytes(blob)),), "a", LoopClock().monotonic()))
        await settle(0.2)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        assert bench.chain.prices[F1].price == 150_000
        (told,) = bench.told(SourceDistrusted)
        assert "Merkle proof" in told.reason


async def test_a_refused_source_is_tried_again_for_free_and_taken_back(start: Start) -> None:
    trusted_set = 7
    chain = FakeChain(distrusts=lambda blob: not of_set(trusted_set, blob))
    async with start(chain=chain) as bench:
        publish(bench, "b", OLD, F1=100_000, F2=100_000)
        publish(bench, "a", F1=100_000, F2=100_000)
        await settle(2)
        assert standing(bench)["b"] is TrustState.REFUSED
        trusted_set = 4
        for _ in range(40):
            publish(bench, "b", OLD, F1=100_000, F2=100_000)
            await settle(1)
        assert standing(bench)["b"] is TrustState.TRUSTED
        assert bench.told(SourceTrusted) == [SourceTrusted("test", "b")]


async def test_a_source_whose_signers_change_is_tried_before_it_is_used_beside_another(start: Start) -> None:
    async with start(chain=chain_of_set(7)) as bench:
        await both_trusted(bench)
        await settle(15)
        publish(bench, "a", F1=100_000, F2=100_000)
        publish(bench, "b", OLD, F1=150_000, F2=100_000)
        await settle(3)
        assert bench.outcomes() == []
        assert standing(bench) == {"a": TrustState.TRUSTED, "b": TrustState.REFUSED}


async def test_with_one_source_alone_pushes_are_tried_for_free_until_it_is_good_again(start: Start) -> None:
    forged = False
    chain = FakeChain(distrusts=lambda _: forged)
    async with start(chain=chain) as bench:
        publish(bench, "a", F1=100_000, F2=100_000)
        await settle(2)
        bench.events.clear()
        forged = True
        for tick in range(60):
            publish(bench, "a", F1=150_000 + tick, F2=100_000)
            await settle(1)
        assert set(bench.outcomes()[1:]) == {Outcome.DROPPED}
        assert bench.outcomes()[0] is Outcome.REVERTED
        assert standing(bench) == {"a": TrustState.REFUSED}
        assert "InvalidWormholeVaa" in bench.told(PushFinished)[-1].detail
        forged = False
        for tick in range(120):
            publish(bench, "a", F1=200_000 + tick, F2=100_000)
            await settle(1)
        assert bench.outcomes()[-1] is Outcome.CONFIRMED
        assert standing(bench) == {"a": TrustState.TRUSTED}


async def test_the_same_bytes_from_two_sources_are_judged_once(start: Start) -> None:
    async with start() as bench:
        event = publish(bench, "a", F1=100_000, F2=100_000)
        await settle(2)
        later = bench.market.event({"F1": 150_000, "F2": 100_000}, source="a")
        for source in ("a", "b"):
            bench.network.take(PriceEvent(later.updates, source, event.arrived))
        await settle()
        assert bench.outcomes() == [Outcome.CONFIRMED, Outcome.CONFIRMED]
