"""What an endpoint's answers and failures say of it."""

import pytest

from keeper.domain.errors import Throttled, Transient, Uncertain
from keeper.evm.health import Health
from keeper.evm.transport import ConnectionRefused

FAILURE = Uncertain("HTTP 500")
REFUSED = ConnectionRefused("connection refused")


def down_since(moment: float, problem: Transient = FAILURE) -> Health:
    health = Health()
    health.failed(moment, problem)
    return health


def answer(health: Health, now: float, *, took_s: float = 0.01, sound: bool = True) -> None:
    health.answered(now, took_s, sound=sound)


def test_one_failure_is_enough_to_be_down() -> None:
    health = down_since(5)
    assert (health.down, health.problem, health.outage_s(7)) == (True, "HTTP 500", 2)


def test_a_probe_answered_puts_it_on_trial_and_a_request_answered_ends_that() -> None:
    health = down_since(5)
    health.answered_probe(0.01)
    assert (health.down, health.on_trial, health.problem) == (False, True, "")
    answer(health, 6)
    assert (health.down, health.on_trial) == (False, False)


def test_a_probe_of_a_well_endpoint_is_no_trial() -> None:
    health = Health()
    health.answered_probe(0.01)
    assert not health.on_trial


@pytest.mark.parametrize(("outage_s", "pause_s"), [(0, 0.2), (1, 0.2), (10, 1), (30, 3), (600, 5)])
def test_an_outage_is_not_prolonged_by_more_than_a_tenth(outage_s: float, pause_s: float) -> None:
    assert down_since(0).probe_pause_s(outage_s) == pytest.approx(pause_s)


@pytest.mark.parametrize(("outage_s", "pause_s"), [(0, 0.2), (20, 0.2), (60, 0.6), (3600, 5)])
def test_where_nobody_listens_it_is_asked_more_often(outage_s: float, pause_s: float) -> None:
    assert down_since(0, REFUSED).probe_pause_s(outage_s) == pytest.approx(pause_s)


def test_who_fails_on_trial_is_asked_later_each_time() -> None:
    health, pauses = Health(), []
    for now in range(8):
        health.failed(now, FAILURE)
        pauses.append(health.probe_pause_s(now))
        health.answered_probe(0.01)
    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5])


def test_who_has_proven_itself_is_asked_soon_again() -> None:
    health = down_since(0)
    health.answered_probe(0.01)
    health.failed(1, FAILURE)
    health.answered_probe(0.01)
    answer(health, 2)
    health.failed(3, FAILURE)
    assert health.probe_pause_s(3) == pytest.approx(0.2)


def test_any_number_of_relapses_has_a_bounded_pause() -> None:
    health = Health()
    for _ in range(5000):
        health.lost_connection()
    assert health.probe_pause_s(0) == 5


def test_to_be_throttled_is_no_failure() -> None:
    health = Health()
    health.failed(5, Throttled("slow down", retry_after_s=7))
    assert (health.down, health.throttled_s(5), health.throttled_s(11), health.throttled_s(12)) == (False, 7, 1, 0)
    assert not health.flaky(5)


def test_a_single_failure_makes_nobody_flaky() -> None:
    health = down_since(0)
    answer(health, 1)
    assert not health.flaky(1)


def test_who_fails_every_other_time_is_flaky_until_that_is_forgotten() -> None:
    health = Health()
    for now in range(20):
        health.failed(now, FAILURE)
        answer(health, now)
    assert health.flaky(20)
    assert not health.flaky(140)


def test_answers_that_nobody_understands_make_flaky_and_not_down() -> None:
    health = Health()
    for now in range(3):
        answer(health, now, sound=False)
    assert (health.flaky(3), health.down) == (True, False)


def test_failed_probes_are_no_failed_requests() -> None:
    health = down_since(0)
    for now in range(100):
        health.failed(now, FAILURE, probed=True)
    answer(health, 100)
    assert not health.flaky(100)


def test_latency_is_averaged() -> None:
    health = Health()
    assert health.latency_s is None
    answer(health, 0, took_s=0.1)
    answer(health, 1, took_s=0.6)
    assert health.latency_s == pytest.approx(0.2)
