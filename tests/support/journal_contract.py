"""What every journal keeps, the real ones and the fake: the flow relies on nothing else."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeper.domain.errors import JournalError, MandateLost
from keeper.domain.transaction import Fate, Flight, State
from keeper.domain.units import Gas, Wei
from keeper.ports import Account, Journal, Note, Recovered
from tests.support import flights as f
from tests.support.flights import ACCOUNT, BTC, ETH, OTHER

MakeJournal = Callable[[], Journal]

PATIENT_S = 60.0
"""For a record, where how long it takes is not what is tested: a busy machine may be slow."""

_numbers = count()


class JournalContract(ABC):
    """Subclasses make journals on storage that outlives them."""

    @pytest.fixture
    @abstractmethod
    def make(self, tmp_path: Path) -> MakeJournal:
        """Makes a journal that is not open yet; every one it makes finds what those before have kept."""

    @pytest.fixture
    async def journal(self, make: MakeJournal) -> AsyncIterator[Journal]:
        journal = make()
        await journal.open()
        yield journal
        await journal.close()

    @pytest.fixture
    async def pair(self, make: MakeJournal) -> AsyncIterator[tuple[Journal, Journal]]:
        """Of two keepers, on the same storage."""
        first, second = make(), make()
        for journal in (first, second):
            await journal.open()
        yield first, second
        for journal in (first, second):
            await journal.close()

    @pytest.fixture
    async def journals(self, make: MakeJournal) -> AsyncIterator[Sequence[Journal]]:
        """Of several keepers, on the same storage."""
        several = make(), make(), make()
        for journal in several:
            await journal.open()
        yield several
        for journal in several:
            await journal.close()

    async def test_a_new_one_knows_nothing(self, journal: Journal) -> None:
        assert await journal.recover(ACCOUNT) == Recovered([], 0)
        assert await journal.spent(ACCOUNT, 0) == 0
        assert await journal.prune(2e9) == 0

    async def test_takes_no_record_before_it_is_open(self, make: MakeJournal) -> None:
        with pytest.raises(JournalError):
            await make().record(ACCOUNT, *signed())

    async def test_gives_back_what_was_signed_as_in_doubt_and_without_its_update_data(self, journal: Journal) -> None:
        flight, note = signed()
        await journal.record(ACCOUNT, flight, note)
        (found,) = (await journal.recover(ACCOUNT)).flights
        assert found.state is State.UNCERTAIN
        assert found.newest.signed == flight.newest.signed
        assert found == f.recovered(flight)

    async def test_what_was_recorded_outlives_the_journal(self, make: MakeJournal) -> None:
        flight, note = signed()
        first = make()
        await first.open()
        await first.record(ACCOUNT, flight, note)
        await first.close()
        second = make()
        await second.open()
        assert await second.recover(ACCOUNT) == Recovered([f.recovered(flight)], 1)
        await second.record(ACCOUNT, final(flight), f.note(30, "final"))
        assert await second.recover(ACCOUNT) == Recovered([], 1)
        await second.close()

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors])
    @given(flight=f.flights(), note=f.notes)
    async def test_gives_back_any_flight(self, journal: Journal, flight: Flight, note: Note) -> None:
        account = fresh_account()
        await journal.record(account, flight, note)
        under_way = [] if flight.end is not None else [f.recovered(flight)]
        assert await journal.recover(account) == Recovered(under_way, flight.push)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors])
    @given(flight=f.flights(), later=st.lists(st.tuples(f.notes, st.sampled_from(Fate)), min_size=1, max_size=3))
    async def test_the_last_record_of_a_flight_holds(
        self, journal: Journal, flight: Flight, later: list[tuple[Note, Fate]]
    ) -> None:
        account = fresh_account()
        flight = replace(flight, end=None)
        for note, fate in later:
            flight = replace(flight, attempts=tuple(replace(each, fate=fate) for each in flight.attempts))
            await journal.record(account, flight, note)
            assert (await journal.recover(account)).flights == [f.recovered(flight)]
            flight = replace(flight, receipt=None, retries=flight.retries + 1)

    async def test_follows_a_push_to_its_end(self, journal: Journal) -> None:
        flight, note = signed()
        await journal.record(ACCOUNT, flight, note)
        flight = f.sent(flight)
        await journal.record(ACCOUNT, flight, f.note(11, "taken", flight.newest))
        assert await flights_of(journal) == [f.recovered(flight)]
        flight = replace(flight, receipt=f.receipt(flight.newest))
        await journal.record(ACCOUNT, flight, f.note(12, "mined", flight.newest))
        (found,) = await flights_of(journal)
        assert found.receipt == flight.receipt
        assert found.state is State.INCLUDED
        await journal.record(ACCOUNT, final(flight), f.note(13, "final"))
        assert await flights_of(journal) == []

    async def test_a_receipt_that_is_taken_back_is_gone(self, journal: Journal) -> None:
        flight = mined(signed()[0])
        await journal.record(ACCOUNT, flight, f.note(12, "mined"))
        await journal.record(ACCOUNT, replace(flight, receipt=None), f.note(14, "orphaned"))
        (found,) = await flights_of(journal)
        assert found.receipt is None
        assert await journal.spent(ACCOUNT, 0) == 0

    async def test_keeps_all_attempts_in_their_order(self, journal: Journal) -> None:
        flight, note = signed()
        for number, planned in ((9, f.plan(ETH)), (3, None), (5, f.plan(BTC, ETH))):
            await journal.record(ACCOUNT, flight, note)
            flight = f.sent(flight)
            flight = replace(flight, attempts=(*flight.attempts, f.attempt(number, planned)))
            note = f.note(20 + number, "signed", flight.attempts[-1])
        await journal.record(ACCOUNT, flight, note)
        assert await flights_of(journal) == [f.recovered(flight)]

    async def test_keeps_their_order_through_restarts(self, make: MakeJournal) -> None:
        flight, note = signed()
        for number in (9, 3, 8, 4):
            journal = make()
            await journal.open()
            await journal.record(ACCOUNT, flight, note)
            flight = f.sent(flight)
            flight = replace(flight, attempts=(*flight.attempts, f.attempt(number, f.plan(ETH))))
            note = f.note(20 + number, "signed", flight.attempts[-1])
            await journal.record(ACCOUNT, flight, note)
            assert await flights_of(journal) == [f.recovered(flight)]
            await journal.close()

    async def test_an_attempt_that_no_node_took_stays_refused(self, journal: Journal) -> None:
        flight = f.sent(signed()[0], Fate.REFUSED)
        await journal.record(ACCOUNT, flight, f.note(11, "refused", flight.attempts[0]))
        (found,) = await flights_of(journal)
        assert found.attempts[0].fate is Fate.REFUSED
        assert found.state is State.RESERVED

    async def test_forgets_the_attempts_of_a_nonce_that_was_given_up(self, journal: Journal) -> None:
        flight, note = signed()
        await journal.record(ACCOUNT, flight, note)
        flight = replace(flight, nonce=8, attempts=(f.attempt(2, f.plan(BTC)),))
        await journal.record(ACCOUNT, flight, f.note(11, "signed", flight.newest))
        assert await flights_of(journal) == [f.recovered(flight)]

    async def test_the_same_bytes_belong_to_a_later_push_once_the_first_gave_its_nonce_back(
        self, journal: Journal
    ) -> None:
        tried = f.attempt(1, f.plan(BTC))
        first, second = Flight(1, 5, (tried,)), Flight(2, 5, (tried,))
        await journal.record(ACCOUNT, first, f.note(1, "signed", tried))
        unsent = replace(first, attempts=(replace(tried, fate=Fate.UNSENT),), end=State.RELEASED)
        await journal.record(ACCOUNT, unsent, f.note(2, "released"))
        await journal.record(ACCOUNT, second, f.note(3, "signed", tried))
        (left,) = (await journal.recover(ACCOUNT)).flights
        assert (left.push, [each.signed for each in left.attempts]) == (2, [tried.signed])

    async def test_a_record_that_comes_twice_counts_once(self, journal: Journal) -> None:
        flight = mined(signed()[0])
        for _ in range(2):
            await journal.record(ACCOUNT, flight, f.note(12, "mined", flight.newest))
        assert await flights_of(journal) == [f.recovered(flight)]
        assert await journal.spent(ACCOUNT, 0) == 120_001 * (f.GWEI + 7) + 11 + 1

    async def test_takes_whatever_a_node_says(self, journal: Journal) -> None:
        flight, _ = signed()
        told = "\0\ud83d \U0001f9ff" + "x" * 10_000
        await journal.record(ACCOUNT, replace(flight, problem=told), f.note(11, "refused", endpoint="\0", detail=told))
        (found,) = await flights_of(journal)
        assert found.attempts == f.recovered(flight).attempts

    async def test_flights_come_by_nonce(self, journal: Journal) -> None:
        for push, nonce in ((1, 9), (2, 7), (3, 8)):
            await journal.record(ACCOUNT, *signed(push=push, nonce=nonce))
        recovered = await journal.recover(ACCOUNT)
        assert [flight.nonce for flight in recovered.flights] == [7, 8, 9]
        assert recovered.last_push == 3

    async def test_records_that_come_at_once_are_all_kept(self, journal: Journal) -> None:
        await asyncio.gather(*(journal.record(ACCOUNT, *signed(push=number, nonce=number)) for number in range(1, 30)))
        assert [flight.push for flight in await flights_of(journal)] == list(range(1, 30))

    async def test_keeps_accounts_apart(self, journal: Journal) -> None:
        flight, note = signed()
        await journal.record(ACCOUNT, flight, note)
        await journal.record(OTHER, mined(flight), f.note(12, "mined"))
        assert await flights_of(journal) == [f.recovered(flight)]
        assert await journal.spent(ACCOUNT, 0) == 0
        assert await journal.spent(OTHER, 0) > 0

    async def test_adds_up_what_was_spent_since(self, journal: Journal) -> None:
        for push in (1, 2, 3):
            flight = mined(signed(push=push, nonce=push)[0])
            await journal.record(ACCOUNT, flight, f.note(10.0 * push, "mined"))
            await journal.record(ACCOUNT, final(flight), f.note(100.0 * push, "final"))
        one = 120_001 * (f.GWEI + 7) + 11 + 1
        assert [await journal.spent(ACCOUNT, since) for since in (0, 20, 20.5, 31)] == [3 * one, 2 * one, one, 0]

    async def test_adds_up_to_the_wei_beyond_what_64_bits_hold(self, journal: Journal) -> None:
        for push in (1, 2):
            flight = mined(signed(push=push, nonce=push)[0])
            assert flight.receipt is not None
            dear = replace(flight.receipt, gas_used=Gas(10**9), effective_gas_price=Wei(10**60 + push), l1_fee=Wei(1))
            await journal.record(ACCOUNT, replace(flight, receipt=dear), f.note(10, "mined"))
        assert await journal.spent(ACCOUNT, 0) == 10**9 * (2 * 10**60 + 3) + 2 + 2

    async def test_a_revert_costs_its_gas_and_no_fee(self, journal: Journal) -> None:
        flight = f.sent(signed()[0])
        reverted = replace(flight, receipt=f.receipt(flight.newest, succeeded=False))
        await journal.record(ACCOUNT, reverted, f.note(10, "mined"))
        assert await journal.spent(ACCOUNT, 0) == 120_001 * (f.GWEI + 7) + 11
        (found,) = await flights_of(journal)
        assert found.receipt == reverted.receipt

    async def test_deletes_old_pushes_but_none_that_is_under_way_and_not_the_last(self, journal: Journal) -> None:
        for push in range(1, 6):
            flight, note = signed(push=push, nonce=push)
            await journal.record(ACCOUNT, flight, note)
            if push != 2:
                await journal.record(ACCOUNT, final(mined(flight)), f.note(100.0 * push, "final"))
        assert await journal.prune(300) == 1
        assert await journal.prune(1e9) == 2
        assert await journal.prune(1e9) == 0
        recovered = await journal.recover(ACCOUNT)
        assert [flight.push for flight in recovered.flights] == [2]
        assert recovered.last_push == 5

    async def test_terms_count_up_for_an_account_whatever_its_network_is_called(
        self, pair: tuple[Journal, Journal]
    ) -> None:
        first, second = pair
        renamed = replace(ACCOUNT, network="other name")
        assert [await each.begin_term(at) for each, at in ((first, ACCOUNT), (second, renamed), (first, OTHER))] == [
            1,
            2,
            1,
        ]
        with pytest.raises(MandateLost, match="another keeper has begun to send"):
            await first.record(ACCOUNT, *signed())
        assert await flights_of(second) == []

    async def test_what_was_recorded_stays_with_whoever_begins_the_next_term(
        self, pair: tuple[Journal, Journal]
    ) -> None:
        first, second = pair
        await first.begin_term(ACCOUNT)
        flight, note = signed()
        await first.record(ACCOUNT, flight, note)
        await second.begin_term(ACCOUNT)
        assert await flights_of(second) == [f.recovered(flight)]
        await second.record(ACCOUNT, final(flight), f.note(30, "final"))
        with pytest.raises(MandateLost):
            await first.record(ACCOUNT, f.sent(flight), f.note(31, "taken", flight.newest))
        assert await flights_of(second) == []
        await first.begin_term(ACCOUNT)
        await first.record(ACCOUNT, *signed(push=2, nonce=8))

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors])
    @given(script=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["begin", "record", "open"])), max_size=12))
    async def test_only_the_newest_term_is_written_in(
        self, journals: Sequence[Journal], script: list[tuple[int, str]]
    ) -> None:
        account = replace(fresh_account(), chain_id=1_000_000 + next(_numbers))
        newest, epochs, written = 0, [0, 0, 0], 0
        for push, (writer, step) in enumerate(script, start=1):
            journal = journals[writer]
            match step:
                case "begin":
                    newest += 1
                    epochs[writer] = await journal.begin_term(account)
                    assert epochs[writer] == newest
                case "open":
                    await journal.open()
                case _ if epochs[writer] in {0, newest}:
                    await journal.record(account, *signed(push=push, nonce=push))
                    written += 1
                case _:
                    with pytest.raises(MandateLost):
                        await journal.record(account, *signed(push=push, nonce=push))
        assert len((await journals[0].recover(account)).flights) == written

    async def test_nothing_is_recorded_of_an_earlier_term_once_the_next_one_has_begun(
        self, pair: tuple[Journal, Journal]
    ) -> None:
        first, second = pair
        await first.begin_term(ACCOUNT)
        await second.recover(ACCOUNT)
        begun = asyncio.Event()

        async def record(number: int) -> None:
            with suppress(MandateLost):
                await first.record(ACCOUNT, *signed(push=number, nonce=number))
            if number == 10:
                begun.set()

        async def take_over() -> list[Flight]:
            await begun.wait()
            await second.begin_term(ACCOUNT)
            return await flights_of(second)

        found, *_ = await asyncio.gather(take_over(), *(record(number) for number in range(1, 60)))
        assert await flights_of(first) == found


def signed(*, push: int = 1, nonce: int = 7) -> tuple[Flight, Note]:
    """A push whose first transaction was just signed, and the line that tells it."""
    first = f.attempt(push, f.plan(BTC))
    return Flight(push, nonce, (first,)), f.note(10, "signed", first)


def mined(flight: Flight) -> Flight:
    out = f.sent(flight)
    return replace(out, receipt=f.receipt(out.newest))


def final(flight: Flight) -> Flight:
    return replace(flight, end=State.FINAL)


async def flights_of(journal: Journal) -> list[Flight]:
    return list((await journal.recover(ACCOUNT)).flights)


def fresh_account() -> Account:
    """One that no journal knows yet."""
    return replace(ACCOUNT, network=f"any {next(_numbers)}")
