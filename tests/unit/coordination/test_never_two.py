"""However requests are delayed or lost, processes frozen and clocks apart: no two replicas hold a shard at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from keeper.coordination.elector import (
    Ended,
    Refused,
    Seen,
    Standing,
    Step,
    Written,
    acquired,
    advance,
    decide,
    released,
    renewed,
)
from keeper.coordination.lease import DRIFT, Conflict, Lease, Pace
from tests.support.leases import LeaseShelf

SHARD = "1-0xab"
SKEW = DRIFT / 2.01
"""Clocks run by so much too slow or too fast."""


@dataclass
class Request:
    """On its way to the store, or back."""

    asked_at: float
    lease: Lease | None
    """What is to be written; None for a read."""
    arrived: bool = False
    found: Lease | None = None
    conflict: bool = False


@dataclass
class Replica:
    """One process, which does something only when it is its turn: between turns it is as good as frozen."""

    shelf: LeaseShelf
    standing: Standing
    rate: float
    wall_us: int
    requests: list[Request] = field(default_factory=list)

    def turn(self, kind: str, now: float) -> None:  # noqa: C901  a table of turns
        match kind:
            case "look":
                self.requests.append(Request(now, None))
            case "act":
                self.act(now)
            case "give back":
                self.give_back(now)
            case "arrive":
                for request in self.at(arrived=False):
                    self.arrive(request)
                    break
            case "answer":
                for request in self.at(arrived=True):
                    self.requests.remove(request)
                    self.answer(request, now)
                    break
            case "lose":
                for request in self.requests[:1]:
                    self.requests.remove(request)
                    if request.lease is not None:
                        self.standing = advance(self.standing, Refused(), now)

    def act(self, now: float) -> None:
        decision = decide(self.standing, now, wanted=True)
        self.wall_us += 1
        match decision.step:
            case Step.ACQUIRE if not self.is_writing:
                self.requests.append(Request(now, acquired(self.standing, self.wall_us)))
            case Step.RENEW if not self.is_writing:
                assert self.standing.lease is not None
                self.requests.append(Request(now, renewed(self.standing.lease, self.wall_us)))
            case Step.END:
                self.standing = advance(self.standing, Ended("late"), now)
            case _:
                return

    def give_back(self, now: float) -> None:
        """Ends, and only then empties the record."""
        term, lease = self.standing.term, self.standing.lease
        if term is not None and lease is not None and not self.is_writing:
            self.standing = advance(self.standing, Ended("given back"), now)
            self.requests.append(Request(now, released(lease)))

    @property
    def is_writing(self) -> bool:
        return any(request.lease is not None for request in self.requests)

    def at(self, *, arrived: bool) -> Iterator[Request]:
        return (request for request in self.requests if request.arrived is arrived)

    def arrive(self, request: Request) -> None:
        request.arrived = True
        if request.lease is None:
            request.found = self.shelf.leases.get(SHARD)
            return
        try:
            request.found = self.shelf.put(SHARD, request.lease)
        except Conflict:
            request.conflict = True

    def answer(self, request: Request, now: float) -> None:
        if request.lease is None:
            self.standing = advance(self.standing, Seen(request.found, request.asked_at), now)
        elif request.conflict or request.found is None:
            self.standing = advance(self.standing, Refused(), now)
        elif request.found.holder:
            self.standing = advance(self.standing, Written(request.found, request.asked_at), now)

    def holds(self, now: float) -> bool:
        """By all that it knows itself, the reserve for a hand-over left out."""
        return self.standing.term is not None and now < self.standing.term.until


KINDS = ("look", "act", "arrive", "answer", "act", "arrive", "answer", "lose", "give back", "late write")
Turn = tuple[int, str, float]

turns = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(KINDS),
        st.one_of(st.just(0.0), st.floats(0, 1), st.floats(0, 16)),
    ),
    min_size=20,
    max_size=120,
)
rates = st.tuples(*[st.floats(1 - SKEW, 1 + SKEW)] * 3)


def play(rates: tuple[float, ...], script: list[Turn]) -> Iterator[tuple[float, list[Replica]]]:
    """The world after every turn."""
    shelf = LeaseShelf()
    replicas = [
        Replica(shelf, Standing(f"pod-{number}", Pace(15)), rate, wall_us=1_000 * number)
        for number, rate in enumerate(rates)
    ]
    now = 0.0
    for number, kind, passes_s in script:
        now += passes_s
        replica = replicas[number]
        local = now * replica.rate
        if kind == "late write":  # what its sender has given up reaches the store all the same
            for request in replica.at(arrived=False):
                if request.lease is not None:
                    replica.arrive(request)
                    replica.requests.remove(request)
                    replica.standing = advance(replica.standing, Refused(), local)
                    break
        else:
            replica.turn(kind, local)
        yield now, replicas


@given(rates, turns)
def test_no_two_replicas_hold_a_shard_at_a_time(rates: tuple[float, ...], script: list[Turn]) -> None:
    for now, replicas in play(rates, script):
        holders = [replica.standing.identity for replica in replicas if replica.holds(now * replica.rate)]
        assert len(holders) <= 1, holders


@given(rates, turns)
def test_every_term_has_an_epoch_of_its_own(rates: tuple[float, ...], script: list[Turn]) -> None:
    terms: dict[int, tuple[str, float]] = {}
    for _, replicas in play(rates, script):
        for replica in replicas:
            if (term := replica.standing.term) is not None:
                assert terms.setdefault(term.epoch, (replica.standing.identity, term.since))[1] == term.since
