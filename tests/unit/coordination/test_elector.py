"""When one replica takes a shard, keeps it, and knows that it has lost it."""

from dataclasses import replace

import pytest

from keeper.coordination.elector import (
    Decision,
    Ended,
    Overtaken,
    Refused,
    Seen,
    Standing,
    Step,
    Written,
    acquired,
    advance,
    decide,
    released,
    renewed,
)
from keeper.coordination.lease import Lease, Pace

PACE = Pace(15)
ME, OTHER = "pod-a_1", "pod-b_2"
FRESH = Standing(ME, PACE)
THEIRS = Lease(version="7", holder=OTHER, duration_s=15, epoch=3, acquired_us=5, renewed_us=9, notes={"claim": ME})
MINE = acquired(replace(FRESH, lease=replace(THEIRS, holder="")), 1_000)
HOLDING = advance(FRESH, Written(MINE, asked_at=100.0), 100.2)


def seen(standing: Standing, lease: Lease | None, at: float) -> Standing:
    return advance(standing, Seen(lease, asked_at=at), at)


def test_writes_nothing_before_it_has_looked() -> None:
    assert decide(FRESH, 0.0, wanted=True) == Decision(Step.WAIT)


def test_makes_a_lease_where_there_is_none() -> None:
    assert decide(seen(FRESH, None, 0.0), 0.0, wanted=True) == Decision(Step.ACQUIRE)


def test_takes_at_once_what_nobody_holds() -> None:
    assert decide(seen(FRESH, released(THEIRS), 0.0), 0.0, wanted=True) == Decision(Step.ACQUIRE)


def test_takes_nothing_that_is_not_wanted() -> None:
    assert decide(seen(FRESH, None, 0.0), 0.0, wanted=False) == Decision(Step.WAIT)


def test_leaves_what_is_free_to_others_for_as_long_as_it_is_told() -> None:
    free = seen(FRESH, released(THEIRS), 10.0)
    assert decide(free, 10.0, wanted=True, hold_back_s=1.5) == Decision(Step.WAIT, 11.5)
    assert decide(free, 11.5, wanted=True, hold_back_s=1.5) == Decision(Step.ACQUIRE)


def test_waits_for_a_whole_lease_from_the_first_look() -> None:
    waiting = seen(FRESH, THEIRS, 10.0)
    assert decide(waiting, 10.0, wanted=True) == Decision(Step.WAIT, 25.0)
    assert decide(waiting, 25.0, wanted=True) == Decision(Step.ACQUIRE)


def test_waits_for_as_long_as_the_holder_was_promised() -> None:
    waiting = seen(FRESH, replace(THEIRS, duration_s=60), 10.0)
    assert decide(waiting, 25.0, wanted=True) == Decision(Step.WAIT, 70.0)


def test_waits_anew_after_every_renewal() -> None:
    waiting = seen(seen(FRESH, THEIRS, 10.0), replace(THEIRS, version="8", renewed_us=10), 20.0)
    assert decide(waiting, 25.0, wanted=True) == Decision(Step.WAIT, 35.0)


def test_notes_of_others_are_no_renewal() -> None:
    waiting = seen(seen(FRESH, THEIRS, 10.0), replace(THEIRS, version="8", notes={}), 20.0)
    assert decide(waiting, 25.0, wanted=True) == Decision(Step.ACQUIRE)
    assert acquired(waiting, 11).version == "8"


def test_waits_for_the_last_holder_where_the_record_is_taken_away() -> None:
    waiting = seen(seen(FRESH, THEIRS, 10.0), None, 12.0)
    assert decide(waiting, 12.0, wanted=True) == Decision(Step.WAIT, 25.0)


def test_takes_back_at_once_what_it_holds_without_having_been_told() -> None:
    assert decide(seen(FRESH, replace(THEIRS, holder=ME), 0.0), 0.0, wanted=True) == Decision(Step.ACQUIRE)


def test_acquires_with_the_next_epoch_and_without_the_claim() -> None:
    lease = acquired(seen(FRESH, THEIRS, 0.0), 1_000)
    assert (lease.version, lease.holder, lease.epoch, lease.notes) == ("7", ME, 4, {})
    assert (lease.acquired_us, lease.renewed_us) == (1_000, 1_000)


def test_no_renewal_looks_like_the_one_before_even_if_the_clock_was_set_back() -> None:
    assert renewed(MINE, 5).is_renewal_of(MINE)
    assert acquired(replace(FRESH, lease=MINE), 5).renewed_us > MINE.renewed_us


def test_counts_its_lease_from_before_it_asked_and_trusts_it_for_less_than_others_wait() -> None:
    assert HOLDING.term is not None
    assert HOLDING.term.until == pytest.approx(100.0 + 15 * 0.99)
    assert HOLDING.term.epoch == 4


def test_renews_five_times_in_a_lease() -> None:
    assert decide(HOLDING, 102.9, wanted=True) == Decision(Step.WAIT, 103.0)
    assert decide(HOLDING, 103.0, wanted=True) == Decision(Step.RENEW)


def test_is_sure_only_while_a_hand_over_and_a_margin_fit_into_what_is_left() -> None:
    assert HOLDING.is_sure(108.84)
    assert not HOLDING.is_sure(108.86)


def test_ends_by_its_own_clock_where_no_renewal_succeeds() -> None:
    troubled = advance(HOLDING, Refused(), 104.0)
    assert decide(troubled, 104.0, wanted=True).step is Step.WAIT
    assert decide(troubled, 104.0, wanted=True).until == pytest.approx(108.85)
    assert decide(troubled, 108.86, wanted=True) == Decision(Step.END)


def test_looks_before_it_renews_again_what_was_refused() -> None:
    troubled = advance(HOLDING, Refused(), 104.0)
    noted = replace(MINE, version="9", notes={"claim": OTHER})
    looked = seen(troubled, noted, 104.1)
    assert looked.term == HOLDING.term
    assert decide(looked, 104.1, wanted=True) == Decision(Step.RENEW)


@pytest.mark.parametrize(
    "lease",
    [None, replace(MINE, holder=OTHER, epoch=5), replace(MINE, holder=""), replace(MINE, epoch=5)],
    ids=["gone", "taken", "emptied", "other epoch"],
)
def test_holds_no_longer_than_its_record_says_so(lease: Lease | None) -> None:
    assert not seen(HOLDING, lease, 101.0).is_sure(101.0)


def test_believes_no_look_from_before_it_wrote() -> None:
    assert advance(HOLDING, Seen(THEIRS, asked_at=100.1), 101.0) == HOLDING


def test_a_term_that_has_ended_does_not_come_back_by_a_look() -> None:
    ended = advance(HOLDING, Ended("too late"), 109.0)
    assert not seen(ended, MINE, 109.1).is_sure(109.1)
    assert seen(ended, MINE, 109.1).over == "too late"


def test_who_was_overtaken_takes_nothing_for_a_whole_lease_though_the_record_is_its_own() -> None:
    over = seen(advance(HOLDING, Overtaken("the journal told so"), 103.0), MINE, 104.0)
    assert over.term is None
    assert over.over == "the journal told so"
    assert decide(over, 104.0, wanted=True) == Decision(Step.WAIT, 118.0)
    assert decide(over, 118.0, wanted=True) == Decision(Step.ACQUIRE)


def test_a_renewal_that_is_answered_after_the_end_of_its_term_brings_it_not_back() -> None:
    ended = advance(HOLDING, Ended("too late"), 109.0)
    late = advance(ended, Written(renewed(MINE, 2_000), asked_at=103.0), 109.5)
    assert late.term is None
    again = acquired(seen(late, renewed(MINE, 2_000), 110.0), 3_000)
    assert advance(late, Written(again, asked_at=110.0), 110.1).term is not None
