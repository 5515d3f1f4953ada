"""When receipts are asked for."""

import pytest

from keeper.pipeline.inclusion import InclusionTime


def test_asks_first_about_when_receipts_usually_come() -> None:
    inclusion = InclusionTime()
    for _ in range(40):
        inclusion.learn(12.0)
    assert inclusion.first_look_s() == pytest.approx(10.8, rel=0.01)


def test_a_transaction_that_was_stuck_for_an_hour_does_not_make_the_next_one_wait() -> None:
    inclusion = InclusionTime()
    for _ in range(20):
        inclusion.learn(0.4)
    inclusion.learn(3600.0)
    assert inclusion.first_look_s() < 1
