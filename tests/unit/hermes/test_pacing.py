"""How often the server is asked."""

import random

from hypothesis import given
from hypothesis import strategies as st

from keeper.hermes.config import Timing
from keeper.hermes.pacing import Mute, Reconnection, RequestBudget

TIMING = Timing(backoff_s=1.0, backoff_cap_s=10.0, stable_s=10.0, slow_retry_s=30.0)


def reconnection(seed: int = 0) -> Reconnection:
    return Reconnection(TIMING, random.Random(seed))  # noqa: S311  jitter


def test_the_first_attempt_comes_at_once() -> None:
    assert reconnection().delay_s(refused=False, lasted_s=0.0) == 0.0


@given(st.integers())
def test_later_attempts_wait_twice_as_long_each_time_up_to_the_cap(seed: int) -> None:
    paced = reconnection(seed)
    delays = [paced.delay_s(refused=False, lasted_s=0.0) for _ in range(40)]
    for nominal, delay in zip([1.0, 2.0, 4.0, 8.0] + [10.0] * 35, delays[1:], strict=True):
        assert 0.75 * nominal <= delay <= nominal


def test_replicas_do_not_wait_in_step() -> None:
    def third_delay(seed: int) -> float:
        paced = reconnection(seed)
        return [paced.delay_s(refused=False, lasted_s=0.0) for _ in range(3)][-1]

    assert len({third_delay(seed) for seed in range(10)}) == 10


def test_a_stream_that_lasted_is_reconnected_at_once_again() -> None:
    paced = reconnection()
    for _ in range(5):
        paced.delay_s(refused=False, lasted_s=9.9)
    assert paced.delay_s(refused=False, lasted_s=9.9) > 0.0
    assert paced.delay_s(refused=False, lasted_s=10.0) == 0.0


@given(st.integers())
def test_a_refusal_waits_long_even_the_first_time(seed: int) -> None:
    assert 30.0 <= reconnection(seed).delay_s(refused=True, lasted_s=100.0) <= 36.0


@given(st.integers(1, 8), st.lists(st.floats(0, 4), max_size=60))
def test_no_window_ever_sees_more_polls_than_allowed(polls: int, waits: list[float]) -> None:
    budget, now, spent = RequestBudget(polls=polls, window_s=10.0), 0.0, []
    for wait in waits:
        now += wait
        if budget.poll_at() <= now:
            budget.spend(now)
            spent.append(now)
    assert all(sum(start <= at < start + 10.0 for at in spent) <= polls for start in spent)


def test_a_bar_holds_until_its_latest_end() -> None:
    budget = RequestBudget(polls=5, window_s=10.0)
    budget.bar(60.0)
    budget.bar(40.0)
    assert budget.poll_at() == budget.barred_until == 60.0


def test_polls_that_go_on_leave_one_to_spare_in_each_window() -> None:
    assert RequestBudget(polls=5, window_s=10.0).spacing_s == 2.5
    assert RequestBudget(polls=1, window_s=10.0).spacing_s == 10.0


def test_sharers_wait_for_one_another() -> None:
    assert RequestBudget(polls=5, window_s=10.0, sharers=3).spacing_s == 7.5


def test_a_problem_is_told_again_after_a_minute() -> None:
    mute = Mute()
    assert [mute.tells("a", now) for now in (0.0, 1.0, 59.9, 60.0, 61.0)] == [True, False, False, True, False]


def test_ever_new_problems_do_not_flood_either() -> None:
    mute = Mute()
    assert sum(mute.tells(f"problem {n}", n / 100) for n in range(6000)) <= 10
    assert mute.tells("the next minute", 120.0)
