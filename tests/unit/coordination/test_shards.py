"""How shards are shared out over replicas that come and go."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from keeper.coordination.lease import Lease
from keeper.coordination.shards import CLAIM, hold_back_s, shard_to_claim, shards_to_yield

Board = dict[str, Lease]


def board(**holders: str) -> Board:
    return {shard: Lease(holder=holder) for shard, holder in holders.items()}


def test_with_one_shard_nobody_claims() -> None:
    assert shard_to_claim("b", {"s"}, board(s="a")) is None


def test_who_has_two_fewer_claims_one() -> None:
    assert shard_to_claim("b", {"s1", "s2"}, board(s1="a", s2="a")) == "s1"


def test_claims_only_what_it_waits_for() -> None:
    assert shard_to_claim("b", {"s2"}, board(s1="a", s2="a")) == "s2"
    assert shard_to_claim("b", set(), board(s1="a", s2="a")) is None


def test_claims_one_at_a_time() -> None:
    held = board(**dict.fromkeys(("s1", "s2", "s3", "s4"), "a"))
    held["s1"] = held["s1"].noting(**{CLAIM: "b"})
    assert shard_to_claim("b", {"s2", "s3", "s4"}, held) is None
    assert shard_to_claim("c", {"s1", "s2", "s3", "s4"}, held) == "s2"


def test_yields_what_is_claimed_with_reason_and_keeps_the_rest() -> None:
    held = board(s1="a", s2="a", s3="b")
    held["s1"] = held["s1"].noting(**{CLAIM: "b"})
    assert shards_to_yield("a", held) == set()
    held["s1"] = held["s1"].noting(**{CLAIM: "c"})
    assert shards_to_yield("a", held) == {"s1"}


def test_a_claim_that_lost_its_reason_keeps_nobody_from_another_one() -> None:
    held = board(s1="a", s2="d", s3="d", s4="d")
    held["s1"] = held["s1"].noting(**{CLAIM: "b"})
    assert shard_to_claim("b", {"s1", "s2", "s3", "s4"}, held) == "s2"


def test_claims_that_lost_their_reason_stand_in_nobodys_way() -> None:
    held = board(s1="a", s2="a", s3="b", s4="d")
    held["s1"] = held["s1"].noting(**{CLAIM: "b"})
    held["s2"] = held["s2"].noting(**{CLAIM: "d"})
    assert shard_to_claim("c", held.keys(), held) == "s1"


def test_what_was_claimed_is_left_to_whoever_claimed_it() -> None:
    free = Lease(notes={CLAIM: "b"})
    assert hold_back_s("b", free, 0) == 0
    assert hold_back_s("a", free, 0) > 1
    assert hold_back_s("a", Lease(), 2) > hold_back_s("a", Lease(), 0)


@given(st.integers(1, 5), st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_shares_come_to_differ_by_one_at_most_and_then_nothing_moves(replicas: int, first: list[int]) -> None:
    names = [f"pod-{number}" for number in range(replicas)]
    held: Board = {f"s{number}": Lease(holder=names[at % replicas]) for number, at in enumerate(first)}
    for _ in range(len(held)):
        if not any(moved(held, name) for name in names):
            break
    counts = Counter(lease.holder for lease in held.values())
    shares = [counts[name] for name in names]
    assert max(shares) - min(shares) <= 1
    assert all(shard_to_claim(name, held.keys(), held) is None for name in names)


@given(st.integers(2, 5), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=8))
def test_whatever_was_claimed_before_and_by_several_at_once_shares_come_to_differ_by_one_at_most(
    replicas: int, first: list[tuple[int, int]]
) -> None:
    names = [f"pod-{number}" for number in range(replicas)]
    held: Board = {
        f"s{number}": Lease(holder=names[at % replicas]).noting(**{CLAIM: names[by % replicas]})
        for number, (at, by) in enumerate(first)
    }
    for _ in range(2 * len(held)):
        seen = dict(held)
        for name in names:
            shard = shard_to_claim(name, {at for at, lease in seen.items() if lease.holder != name}, seen)
            if shard is not None and held[shard] is seen[shard]:
                held[shard] = held[shard].noting(**{CLAIM: name})
        for shard in [shard for name in names for shard in shards_to_yield(name, held)]:
            claimant = held[shard].notes[CLAIM]
            held[shard] = replace(held[shard].noting(**{CLAIM: ""}), holder=claimant)
    counts = Counter(lease.holder for lease in held.values())
    shares = [counts[name] for name in names]
    assert max(shares) - min(shares) <= 1


def moved(held: Board, name: str) -> bool:
    """One replica claims, and the holder gives what it must."""
    waiting = {shard for shard, lease in held.items() if lease.holder != name}
    shard = shard_to_claim(name, waiting, held)
    if shard is None:
        return False
    holder = held[shard].holder
    held[shard] = held[shard].noting(**{CLAIM: name})
    assert shards_to_yield(holder, held) == {shard}
    held[shard] = replace(held[shard].noting(**{CLAIM: ""}), holder=name)
    return True
