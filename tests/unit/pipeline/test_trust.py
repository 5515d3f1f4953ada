"""Which source a network takes its prices from, and what becomes of one that the contract refuses."""

import asyncio
from dataclasses import replace

import pytest

from keeper.domain.accumulator import decode
from keeper.domain.errors import InvalidUpdate
from keeper.domain.events import ContractChanged, PushFinished, SourceDistrusted, SourceTrusted
from keeper.domain.signers import ByContract, ContractSigners, NumberedSet, SignerCheck, SignerSet
from keeper.domain.status import SignersStatus, TrustState
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


CONTRACT = ByContract()


def naming(current: int, **sets: NumberedSet) -> FakeChain:
    """A contract whose current set has this number; it takes what the key of ADDRESSES[0] has signed."""
    chain = chain_of_signer(ADDRESSES[0])
    chain.guardians = ContractSigners(current, {int(number[1:]): signers for number, signers in sets.items()})
    return chain


ONE = NumberedSet(ADDRESSES[:1])


async def test_signers_that_the_contract_names_are_checked_before_anything_is_paid(start: Start) -> None:
    async with start(chain=naming(7, n7=ONE), signers=CONTRACT) as bench:
        await both_trusted(bench)
        asked = bench.chain.requests["signers"]
        publish(bench, "b", F1=150_000, F2=100_000)
        publish(bench, "a", FORGED, F1=150_000, F2=100_000)
        await settle(0.2)
        assert bench.outcomes() == [Outcome.CONFIRMED]
        (told,) = bench.told(SourceDistrusted)
        assert (told.source, "that the contract trusts" in told.reason) == ("a", True)
        assert bench.chain.requests["signers"] == asked
        assert bench.network.status().signers == SignersStatus("contract", 7, 1, 1)


async def test_an_update_that_names_another_signer_set_is_paid_for_only_after_the_contract_was_asked(
    start: Start,
) -> None:
    async with start(chain=naming(7, n7=ONE), signers=CONTRACT) as bench:
        publish(bench, "a", F1=100_000, F2=100_000)
        await settle(20)
        publish(bench, "a", OLD, F1=150_000, F2=100_000)
        await settle()
        assert bench.outcomes() == [Outcome.CONFIRMED, Outcome.DROPPED]
        assert bench.told(SourceDistrusted) == [SourceDistrusted("test", "a", "the contract knows no signer set 4")]


async def test_a_new_signer_set_of_the_contract_is_learned_from_the_first_update_that_names_it(start: Start) -> None:
    async with start(chain=naming(7, n7=ONE), signers=CONTRACT) as bench:
        publish(bench, "a", F1=100_000, F2=100_000)
        await settle(20)
        bench.chain.guardians = ContractSigners(8, {7: NumberedSet((), 1), 8: ONE})
        publish(bench, "a", replace(PLAIN, signer_set=8), F1=150_000, F2=100_000)
        await settle()
        assert bench.outcomes() == [Outcome.CONFIRMED, Outcome.CONFIRMED]
        assert bench.network.status().signers == SignersStatus("contract", 8, 1, 1)
        assert bench.told(SourceDistrusted) == []


@pytest.mark.parametrize(("expires_in_s", "outcome"), [(3600, Outcome.CONFIRMED), (-1, Outcome.DROPPED)])
async def test_a_signer_set_of_the_past_holds_until_it_expires(
    start: Start, expires_in_s: int, outcome: Outcome
) -> None:
    past = NumberedSet(ADDRESSES[:1], int(LoopClock().now()) + 20 + expires_in_s)
    async with start(chain=naming(8, n7=past, n8=ONE), signers=CONTRACT) as bench:
        publish(bench, "a", replace(PLAIN, signer_set=8), F1=100_000, F2=100_000)
        await settle(20)
        publish(bench, "a", F1=150_000, F2=100_000)
        await settle()
        assert bench.outcomes() == [Outcome.CONFIRMED, outcome]


async def test_a_contract_that_does_not_tell_who_signs_holds_up_no_push(start: Start) -> None:
    chain = naming(7, n7=ONE)
    chain.guardians = None
    async with start(chain=chain, signers=CONTRACT) as bench:
        publish(bench, "a", F1=100_000, F2=100_000)
        await settle()
        assert bench.outcomes() == [Outcome.CONFIRMED]
        signers = bench.network.status().signers
        assert signers == SignersStatus("contract", None, 0, None, "the contract does not tell who signs its prices")


async def test_the_next_poll_tells_that_the_contract_trusts_others(start: Start) -> None:
    async with start(chain=naming(7, n7=ONE), signers=CONTRACT, poll_interval_s=60.0) as bench:
        publish(bench, "a", F1=100_000, F2=100_000)
        await settle(2)
        bench.chain.guardians = ContractSigners(8, {8: NumberedSet(ADDRESSES[1:2])})
        await settle(60)
        assert [event.what for event in bench.told(ContractChanged)] == ["signer set 7 -> 8"]


async def test_whatever_signer_sets_a_source_names_the_contract_is_not_asked_at_every_update(start: Start) -> None:
    async with start(chain=naming(7, n7=ONE), signers=CONTRACT) as bench:
        publish(bench, "a", F1=100_000, F2=100_000)
        await settle(20)
        asked = bench.chain.requests["signers"]
        for number in range(100, 160):
            publish(bench, "a", replace(PLAIN, signer_set=number), F1=number * 1000, F2=100_000)
            await settle(0.5)
        assert bench.chain.requests["signers"] - asked <= 4


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
