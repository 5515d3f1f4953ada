"""The state machine of a nonce: where every fact leads from every state, and what is done about it."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.domain.fees import GasOffer
from keeper.domain.transaction import (
    ENDED,
    Action,
    Attempt,
    Ended,
    Fact,
    Fate,
    Flight,
    Mined,
    Orphaned,
    Renumbered,
    Resumed,
    Rules,
    Signed,
    State,
    Stumbled,
    Taken,
    Unanswered,
    World,
    advance,
    decide,
    is_late,
    next_offer,
    recovered,
)
from keeper.domain.units import Wei
from tests.support import flights as f

PLAN = f.plan(f.BTC)
RULES = Rules(retries=3, replace_after_blocks=2, resend_doubtful_s=1.0, resend_held_s=15.0, confirmations=4)
NOW, BLOCK = 100.0, 16
"""When and at which block the newest attempt was handed over, a second ago."""
QUIET = World(now=NOW, block=BLOCK, block_time_s=2.0, wanted=False, blocking=False, outbids=True, base_fee=None)
LATE = replace(QUIET, now=NOW + 10, block=BLOCK + 2)
RESERVED = Flight(push=1, nonce=7)
SIGNED = replace(RESERVED, attempts=(f.attempt(1, PLAN),))
PENDING = f.sent(SIGNED)
INCLUDED = replace(PENDING, receipt=f.receipt(PENDING.newest))
EXAMPLES = {
    State.RESERVED: RESERVED,
    State.SIGNED: SIGNED,
    State.UNCERTAIN: f.sent(SIGNED, Fate.DOUBTFUL),
    State.PENDING: PENDING,
    State.CANCELLING: f.sent(replace(PENDING, attempts=(*PENDING.attempts, f.attempt(2, None)))),
    State.INCLUDED: INCLUDED,
    State.FINAL: replace(INCLUDED, end=State.FINAL),
    State.SUPERSEDED: replace(PENDING, end=State.SUPERSEDED),
    State.RELEASED: replace(SIGNED, attempts=(f.attempt(1, PLAN, fate=Fate.REFUSED),), end=State.RELEASED),
}
NEWEST = b"newest"
"""Stands for the hash of the newest attempt."""
FACTS: dict[str, Fact] = {
    "signed": Signed(f.attempt(9, PLAN)),
    "taken": Taken(NEWEST, BLOCK),
    "unanswered": Unanswered(NEWEST, BLOCK),
    "unsent": Stumbled("no endpoint", resume_at=NOW, tx_hash=NEWEST, fate=Fate.UNSENT),
    "refused": Stumbled("no funds", resume_at=NOW, tx_hash=NEWEST, fate=Fate.REFUSED),
    "outbid": Stumbled("too cheap", resume_at=NOW, tx_hash=NEWEST, fate=Fate.OUTBID),
    "unsigned": Stumbled("no key", resume_at=NOW),
    "resumed": Resumed(),
    "renumbered": Renumbered(8),
    "mined": Mined(f.receipt(PENDING.newest)),
    "orphaned": Orphaned(BLOCK),
}
LEADS = {
    State.RESERVED: {"signed": State.SIGNED, "mined": State.INCLUDED},
    State.SIGNED: {
        "taken": State.PENDING,
        "unanswered": State.UNCERTAIN,
        "unsent": State.RESERVED,
        "refused": State.RESERVED,
        "outbid": State.RESERVED,
        "renumbered": State.RESERVED,
        "mined": State.INCLUDED,
    },
    State.UNCERTAIN: {"taken": State.PENDING, "renumbered": State.RESERVED, "mined": State.INCLUDED},
    State.PENDING: {"renumbered": State.RESERVED, "mined": State.INCLUDED, "orphaned": State.UNCERTAIN},
    State.CANCELLING: {"renumbered": State.RESERVED, "mined": State.INCLUDED, "orphaned": State.UNCERTAIN},
    State.INCLUDED: {"orphaned": State.UNCERTAIN},
    State.FINAL: {},
    State.SUPERSEDED: {},
    State.RELEASED: {},
}
"""Where a fact leads; what is not named leaves the state as it is."""


def concerning(flight: Flight, fact: Fact) -> Fact:
    """The fact with the hash of the newest attempt in place of its stand-in."""
    if isinstance(fact, Taken | Unanswered | Stumbled) and fact.tx_hash == NEWEST and flight.attempts:
        return replace(fact, tx_hash=flight.newest.signed.hash)
    return fact


@pytest.mark.parametrize("state", State)
def test_every_state_has_an_example(state: State) -> None:
    assert EXAMPLES[state].state is state


@pytest.mark.parametrize("fact", FACTS)
@pytest.mark.parametrize("state", State)
def test_where_a_fact_leads(state: State, fact: str) -> None:
    flight = EXAMPLES[state]
    after = advance(flight, concerning(flight, FACTS[fact]), NOW)
    assert after.state is LEADS[state].get(fact, state)


@pytest.mark.parametrize("end", sorted(ENDED))
@pytest.mark.parametrize("state", State)
def test_every_story_can_end(state: State, end: State) -> None:
    assert advance(EXAMPLES[state], Ended(end), NOW).state is end


def test_a_no_op_that_a_node_holds_is_a_cancellation_until_a_newer_update_is_held() -> None:
    cancelling = EXAMPLES[State.CANCELLING]
    signed = advance(cancelling, FACTS["signed"], NOW)
    assert signed.state is State.CANCELLING
    assert advance(signed, Taken(signed.attempts[-1].signed.hash, BLOCK), NOW).state is State.PENDING


def test_a_refusal_takes_nothing_back_that_may_have_left() -> None:
    twice = advance(PENDING, Signed(f.attempt(2, PLAN)), NOW)
    refused = advance(twice, Stumbled("too cheap", NOW, tx_hash=bytes([2]) * 32, fate=Fate.OUTBID), NOW)
    assert [attempt.fate for attempt in refused.attempts] == [Fate.HELD, Fate.OUTBID]
    assert refused.newest == PENDING.newest


def test_after_a_reorganisation_only_what_was_out_may_be_pending_again() -> None:
    refused = f.attempt(2, PLAN, fate=Fate.REFUSED)
    orphaned = advance(replace(INCLUDED, attempts=(*INCLUDED.attempts, refused)), Orphaned(20), NOW)
    assert [attempt.fate for attempt in orphaned.attempts] == [Fate.DOUBTFUL, Fate.REFUSED]
    assert (orphaned.newest.since, orphaned.newest.since_block) == (NOW, 20)


def test_a_restart_doubts_whatever_may_have_left() -> None:
    attempts = tuple(f.attempt(number, PLAN, fate=fate) for number, fate in enumerate(Fate))
    left = recovered(replace(RESERVED, attempts=attempts, resume_at=NOW + 5), NOW, BLOCK)
    doubtful = {attempt.signed.hash[0] for attempt in left.attempts if attempt.fate is Fate.DOUBTFUL}
    assert {[*Fate][number] for number in doubtful} == {Fate.SIGNED, Fate.HELD, Fate.DOUBTFUL}
    assert decide(left, QUIET, RULES) is Action.SEND


# What to do


def stumbled(fate: Fate, *, retries: int, resume_at: float = 0.0) -> Flight:
    return replace(
        RESERVED, attempts=(f.attempt(1, PLAN, fate=fate),), retries=retries, resume_at=resume_at, problem="why"
    )


WANTED = replace(QUIET, wanted=True)
BLOCKING = replace(QUIET, blocking=True)


@pytest.mark.parametrize(
    ("flight", "world", "action"),
    [
        (RESERVED, WANTED, Action.SIGN),
        (RESERVED, QUIET, Action.RELEASE),
        (RESERVED, BLOCKING, Action.CANCEL),
        (stumbled(Fate.UNSENT, retries=3), WANTED, Action.SIGN),
        (stumbled(Fate.UNSENT, retries=4), WANTED, Action.RELEASE),
        (stumbled(Fate.OUTBID, retries=4), WANTED, Action.SIGN),
        (stumbled(Fate.UNSENT, retries=4), replace(WANTED, blocking=True), Action.CANCEL),
        (stumbled(Fate.UNSENT, retries=1, resume_at=NOW + 1), WANTED, Action.WAIT),
        (stumbled(Fate.UNSENT, retries=1, resume_at=NOW + 1), QUIET, Action.RELEASE),
        (replace(stumbled(Fate.REFUSED, retries=1), hopeless=True), WANTED, Action.RELEASE),
        (SIGNED, QUIET, Action.SEND),
        (EXAMPLES[State.UNCERTAIN], replace(QUIET, now=NOW - 0.1), Action.WAIT),
        (EXAMPLES[State.UNCERTAIN], QUIET, Action.SEND),
        (PENDING, replace(WANTED, now=NOW + 13), Action.WAIT),
        (PENDING, replace(WANTED, now=NOW + 14), Action.SEND),
        (PENDING, LATE, Action.SEND),
        (PENDING, replace(LATE, wanted=True), Action.SIGN),
        (PENDING, replace(LATE, blocking=True), Action.CANCEL),
        (PENDING, replace(LATE, wanted=True, outbids=False), Action.SEND),
        (replace(PENDING, resume_at=NOW + 60), replace(LATE, wanted=True), Action.WAIT),
        (EXAMPLES[State.CANCELLING], QUIET, Action.WAIT),
        (EXAMPLES[State.CANCELLING], replace(LATE, wanted=True), Action.CANCEL),
        (INCLUDED, replace(QUIET, block=20), Action.WAIT),
        (INCLUDED, replace(QUIET, block=21), Action.SETTLE),
        *((EXAMPLES[end], replace(LATE, wanted=True, blocking=True), Action.NONE) for end in sorted(ENDED)),
    ],
)
def test_what_is_done(flight: Flight, world: World, action: Action) -> None:
    assert decide(flight, world, RULES) is action


@pytest.mark.parametrize(("blocks", "seconds", "late"), [(1, 60, False), (2, 4.0, True), (2, 3.9, False), (9, 5, True)])
def test_late_is_by_blocks_and_by_the_time_they_take(blocks: int, seconds: float, *, late: bool) -> None:
    since = PENDING.newest.since
    assert is_late(PENDING, replace(QUIET, now=since + seconds, block=BLOCK + blocks), RULES) is late


@pytest.mark.parametrize(
    ("base_fee", "blocks", "action"),
    [
        (2 * f.GWEI + 1, 1, Action.SIGN),
        (2 * f.GWEI, 1, Action.WAIT),
        (2 * f.GWEI + 1, 0, Action.WAIT),
        (None, 1, Action.WAIT),
    ],
    ids=["above its fee cap", "at its fee cap", "of the block at which it was sent", "unknown"],
)
def test_what_no_block_takes_at_the_base_fee_is_replaced_at_once(
    base_fee: int | None, blocks: int, action: Action
) -> None:
    fee = None if base_fee is None else Wei(base_fee)
    world = replace(QUIET, block=BLOCK + blocks, base_fee=fee, wanted=True)
    assert decide(PENDING, world, RULES) is action


def test_what_was_replaced_is_on_time_at_a_base_fee_that_its_replacement_pays() -> None:
    dearer = f.sent(replace(PENDING, attempts=(*PENDING.attempts, f.attempt(2, PLAN, fee_cap=9 * f.GWEI))))
    assert not is_late(dearer, replace(QUIET, block=BLOCK + 1, base_fee=Wei(9 * f.GWEI)), RULES)


# Whatever comes

OFFERS = st.builds(
    lambda tip, above, legacy: GasOffer(Wei(tip if legacy else tip + above), Wei(tip), legacy),
    st.integers(0, 10**13),
    st.integers(0, 10**13),
    st.booleans(),
)
worlds = st.builds(
    World,
    now=st.floats(0, 2**33),
    block=st.integers(0, 2**63),
    block_time_s=st.floats(0, 100),
    wanted=st.booleans(),
    blocking=st.booleans(),
    outbids=st.booleans(),
    base_fee=st.none() | st.integers(0, 2 * 10**13).map(Wei),
)


@given(f.flights(), st.sampled_from(sorted(FACTS)), st.floats(0, 2**33))
def test_bytes_that_may_have_left_are_watched_for_ever(flight: Flight, name: str, now: float) -> None:
    assume(name != "renumbered")
    out = {attempt.signed.hash for attempt in flight.out}
    after = advance(flight, concerning(flight, FACTS[name]), now)
    assert out <= {attempt.signed.hash for attempt in after.out}
    assert [each.signed for each in after.attempts][: len(flight.attempts)] == [each.signed for each in flight.attempts]


@given(f.flights(), worlds)
def test_what_is_never_done(flight: Flight, world: World) -> None:
    action = decide(flight, world, RULES)
    if action is Action.RELEASE:
        assert not flight.out
        assert not world.blocking
    if action is Action.SIGN:
        assert world.wanted
    if action is Action.CANCEL:
        assert world.blocking or flight.state is State.CANCELLING
    if action in {Action.SIGN, Action.CANCEL}:
        assert world.now >= flight.resume_at
        assert flight.receipt is None
        assert not flight.out or world.outbids
    assert (action is Action.NONE) == (flight.end is not None)


@given(f.flights(), worlds)
def test_a_base_fee_that_is_paid_replaces_nothing_earlier(flight: Flight, world: World) -> None:
    assume(flight.highest is not None)
    assert flight.highest is not None
    paid = replace(world, base_fee=flight.highest.fee_cap)
    assert is_late(flight, paid, RULES) == is_late(flight, replace(world, base_fee=None), RULES)


def offering(offer: GasOffer, fate: Fate) -> Attempt:
    return replace(f.attempt(1, PLAN, fate=fate), offer=offer)


@given(OFFERS, OFFERS, st.integers(0, 2 * 10**13).map(Wei), st.sampled_from([Fate.HELD, Fate.DOUBTFUL, Fate.OUTBID]))
def test_a_replacement_outbids_and_stays_below_the_cap(old: GasOffer, fresh: GasOffer, cap: Wei, fate: Fate) -> None:
    new = next_offer(replace(RESERVED, attempts=(offering(old, fate),)), fresh, cap)
    least = -(-old.fee_cap * 9 // 8)
    if new is None:
        assert max(least, old.fee_cap + 1) > cap
        return
    assert new.tip <= new.fee_cap <= cap
    assert new.fee_cap * 8 >= old.fee_cap * 9
    assert new.tip * 8 >= old.tip * 9
    assert new.fee_cap > old.fee_cap
    assert new.tip > old.tip
    assert new.fee_cap >= min(fresh.fee_cap, cap)


@given(OFFERS, OFFERS, st.integers(0, 2 * 10**13).map(Wei), st.sampled_from([Fate.SIGNED, Fate.REFUSED, Fate.UNSENT]))
def test_what_no_node_holds_need_not_be_outbid(old: GasOffer, fresh: GasOffer, cap: Wei, fate: Fate) -> None:
    new = next_offer(replace(RESERVED, attempts=(offering(old, fate),)), fresh, cap)
    assert new == GasOffer(min(fresh.fee_cap, cap), min(fresh.tip, cap), fresh.legacy)


@given(st.lists(OFFERS, min_size=1, max_size=12), st.integers(10**13, 10**15).map(Wei))
def test_each_replacement_outbids_all_before_it(fresh: list[GasOffer], cap: Wei) -> None:
    flight, offers = RESERVED, list[GasOffer]()
    for market in fresh:
        offer = next_offer(flight, market, cap)
        if offer is None:
            break
        assert all(offer.fee_cap * 8 >= old.fee_cap * 9 and offer.tip * 8 >= old.tip * 9 for old in offers)
        offers.append(offer)
        flight = replace(flight, attempts=(*flight.attempts, offering(offer, Fate.HELD)))
