"""When receipts are asked for."""

import pytest

from keeper.pipeline.inclusion import BlockPace, InclusionTime


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


def test_a_block_time_that_is_known_holds_until_the_chain_shows_another() -> None:
    pace = BlockPace(12.0)
    pace.learn(100, 0.0)
    assert pace.seconds == 12.0
    for number in range(1, 41):
        pace.learn(100 + number, 2.0 * number)
    assert pace.seconds == pytest.approx(2.0, rel=0.01)
