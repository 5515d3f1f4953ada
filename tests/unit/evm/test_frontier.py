"""How far the chain has come, by the word of several endpoints."""

import pytest

from keeper.evm.frontier import Frontier

OURS, ANOTHER = 1, 2


def test_who_is_first_is_not_behind() -> None:
    frontier = Frontier()
    assert frontier.report("a", OURS, 100, 0) == 0
    assert frontier.report("b", OURS, 101, 0) == 0


def test_who_knows_fewer_blocks_than_another_told_is_behind() -> None:
    frontier = Frontier()
    frontier.report("a", OURS, 100, 0)
    assert frontier.report("b", OURS, 90, 0) == 10
    assert frontier.report("b", OURS, 100, 1) == 0


def test_who_told_long_ago_is_not_behind_for_that() -> None:
    frontier = Frontier()
    frontier.report("a", OURS, 100, 0)
    frontier.report("b", OURS, 500, 900)
    assert frontier.report("a", OURS, 500, 901) == 0


def test_endpoints_of_other_chains_do_not_count() -> None:
    frontier = Frontier()
    frontier.report("a", ANOTHER, 20_000_000, 0)
    assert frontier.report("b", OURS, 5, 0) == 0


def test_a_chain_that_starts_anew_is_not_behind_itself() -> None:
    frontier = Frontier()
    frontier.report("a", OURS, 100, 0)
    assert frontier.report("a", OURS, 1, 1) == 0


def test_one_that_is_far_ahead_alone_is_not_believed_where_there_are_several() -> None:
    frontier = Frontier()
    frontier.report("liar", OURS, 10**9, 0)
    frontier.report("a", OURS, 100, 0)
    assert frontier.report("b", OURS, 100, 0) == 0
    assert frontier.report("c", OURS, 90, 0) == 10


def test_learns_the_time_between_blocks_from_any_pair_of_reports() -> None:
    frontier = Frontier()
    frontier.report("a", OURS, 100, 0)
    assert frontier.block_time_s is None
    frontier.report("b", OURS, 150, 100)
    assert frontier.block_time_s == pytest.approx(2)
    for block in range(151, 200):
        frontier.report("a", OURS, block, 100 + (block - 150) * 12)
    assert frontier.block_time_s == pytest.approx(12, rel=0.01)


def test_the_same_block_from_another_endpoint_teaches_nothing() -> None:
    frontier = Frontier()
    frontier.report("a", OURS, 100, 0)
    frontier.report("b", OURS, 100, 60)
    assert frontier.block_time_s is None
