"""Which feeds are asked for."""

from keeper.hermes.roster import Roster
from tests.support.market import FEEDS

F1, F2, F3 = FEEDS[:3]


def test_leaves_out_what_was_refused_by_name() -> None:
    roster = Roster([F1, F2, F3])
    assert roster.exclude({F2})
    assert roster.asked == (F1, F3)
    assert roster.refused == {F2}


def test_a_refusal_that_names_nothing_leaves_everything() -> None:
    roster = Roster([F1, F2])
    assert not roster.exclude(frozenset())
    assert roster.asked == (F1, F2)


def test_a_refusal_that_comes_twice_is_still_worth_another_request() -> None:
    roster = Roster([F1, F2])
    assert roster.exclude({F1})
    assert roster.exclude({F1})
    assert roster.asked == (F2,)


def test_asks_for_all_again_when_one_by_one_all_were_refused() -> None:
    roster = Roster([F1, F2])
    assert roster.exclude({F1})
    assert not roster.exclude({F2})
    assert (roster.asked, roster.refused) == ((F1, F2), frozenset())


def test_restores_all() -> None:
    roster = Roster([F1, F2])
    roster.exclude({F1})
    roster.restore()
    assert roster.asked == (F1, F2)
