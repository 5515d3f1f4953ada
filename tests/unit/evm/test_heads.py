"""The newest blocks, and what a new head makes of them."""

from keeper.domain.units import Gas
from keeper.evm.heads import Heads
from keeper.ports import Head

DEPTH = 5


def head(number: int, branch: str = "a", parent_branch: str | None = None) -> Head:
    """Block `number` of a branch; its parent is of the same branch unless said otherwise."""
    return Head(
        number=number,
        hash=f"{branch}{number}".encode(),
        parent=f"{parent_branch or branch}{number - 1}".encode(),
        timestamp=0,
        base_fee=None,
        gas_limit=Gas(0),
    )


def heads_up_to(number: int) -> Heads:
    heads = Heads(DEPTH)
    for each in range(number - DEPTH + 1, number + 1):
        heads.add(head(each))
    return heads


def test_there_is_no_gap_before_the_first() -> None:
    heads = Heads(DEPTH)
    assert heads.newest is None
    assert list(heads.gap_before(head(100))) == []
    assert not heads.branches_off(head(100))


def test_a_child_of_the_newest_follows_it() -> None:
    heads = heads_up_to(10)
    assert list(heads.gap_before(head(11))) == []
    assert not heads.branches_off(head(11))
    assert not heads.replaces(head(11))


def test_missed_blocks_are_a_gap_no_longer_than_what_is_kept() -> None:
    assert list(heads_up_to(10).gap_before(head(14))) == [11, 12, 13]
    assert list(heads_up_to(10).gap_before(head(1000))) == [995, 996, 997, 998, 999]


def test_a_child_of_another_block_branches_off() -> None:
    heads = heads_up_to(10)
    assert heads.branches_off(head(11, "b"))
    assert heads.branches_off(head(9, "b"))
    assert not heads.branches_off(head(9, "b", parent_branch="a"))


def test_nothing_is_known_of_what_lies_before_all_that_is_kept() -> None:
    assert not heads_up_to(10).branches_off(head(6, "b"))


def test_knows_what_stands_and_no_longer_what_was_replaced() -> None:
    heads = heads_up_to(10)
    heads.add(head(9, "b", parent_branch="a"))
    assert heads.knows(head(8))
    assert heads.knows(head(9, "b"))
    assert not heads.knows(head(9))
    assert not heads.knows(head(10))
    assert heads.newest == head(9, "b", parent_branch="a")


def test_of_ancestors_those_from_the_first_unknown_one_are_new() -> None:
    row = [head(8), head(9, "b", parent_branch="a"), head(10, "b")]
    assert heads_up_to(10).replaced(row) == row[1:]
    assert heads_up_to(10).replaced([head(8), head(9)]) == ()


def test_keeps_no_more_than_it_is_to() -> None:
    heads = heads_up_to(10)
    heads.add(head(11))
    assert not heads.knows(head(6))
    assert heads.knows(head(7))
