"""The pace of polls: often after a surprise, ever more rarely without, always within its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.policy import Deviation, FeedPolicy, Staleness, TimeDifference
from keeper.domain.polling import PollPace
from keeper.domain.units import Ppm


def policy(*rules: Deviation | Staleness | TimeDifference) -> FeedPolicy:
    return FeedPolicy(rules=rules)


@pytest.mark.parametrize(
    ("policies", "shortest_s"),
    [
        ([policy(Staleness(60))], 15),
        ([policy(Staleness(3600)), policy(Deviation(Ppm(100)), Staleness(120))], 30),
        ([policy(TimeDifference(80))], 20),
        ([policy(Staleness(1))], 5),
        ([policy(Staleness(86_400))], 300),
        ([policy(Deviation(Ppm(100)))], 75),
        ([], 75),
    ],
)
def test_the_tightest_rule_that_goes_by_age_sets_the_bound(policies: list[FeedPolicy], shortest_s: float) -> None:
    assert PollPace.between(policies, 300).shortest_s == shortest_s


def test_without_surprises_it_polls_as_rarely_as_it_may() -> None:
    assert PollPace.between([policy(Staleness(60))], 300).pause_s == 300


def test_after_a_surprise_it_polls_often_and_calms_down() -> None:
    pace = PollPace.between([policy(Staleness(60))], 300).after(surprised=True)
    pauses = []
    for _ in range(7):
        pauses.append(pace.pause_s)
        pace = pace.after(surprised=False)
    assert pauses == [15, 30, 60, 120, 240, 300, 300]


@given(st.lists(st.booleans()), st.integers(1, 10**6), st.integers(1, 10**6))
def test_it_stays_within_its_bounds(surprises: list[bool], age_s: int, longest_s: int) -> None:
    pace = PollPace.between([policy(Staleness(age_s))], longest_s)
    for surprised in surprises:
        pace = pace.after(surprised=surprised)
        assert pace.shortest_s <= pace.pause_s <= longest_s
