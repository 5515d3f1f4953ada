"""However requests are delayed or lost, processes frozen and clocks apart: no two replicas hold a shard at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import example, given
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

    def turn(self, kind: str, now: float) -> None:  # noqa: C901, PLR0912  a table of turns
        match kind:
            case "look":
                self.requests.append(Request(now, None))
            case "act":
                self.act(now)
            case "see":
                self.requests.append(Request(now, None))
                self.go_through(now)
            case "put":
                self.act(now)
                self.turn("arrive", now)
            case "step":
                self.act(now)
                self.go_through(now)
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

    def go_through(self, now: float) -> None:
        """All that is on its way arrives, and is answered."""
        while self.requests:
            self.turn("arrive", now)
            self.turn("answer", now)

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


LIKELY = ("see", "step", "put", "answer")
KINDS = (*LIKELY * 3, "look", "act", "arrive", "lose", "give back", "late write")
PASSES_S = (0.0, 0.3, 5.0, 10.0, 14.9, 15.2)
"""What is likely to matter of the 15 seconds of a lease."""
Turn = tuple[int, str, float]

turns = st.lists(
    st.tuples(
        st.sampled_from((0, 1, 0, 1, 0, 1, 2)),
        st.sampled_from(KINDS),
        st.one_of(st.sampled_from(PASSES_S), st.floats(0, 16)),
    ),
    min_size=20,
    max_size=80,
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


EVEN = (1.0, 1.0, 1.0)


@given(rates, turns)
@example(EVEN, [(0, "see", 0.0), (0, "step", 0.0), (1, "see", 0.3), (1, "step", 10.0)]).via("takes it while it is held")
@example(EVEN, [(0, "see", 0.0), (0, "step", 0.0), (1, "see", 0.3), (1, "step", 15.1)]).via("takes over")
@example(EVEN, [(0, "see", 0.0), (0, "put", 0.0), (1, "see", 0.3), (0, "answer", 10.0), (1, "step", 5.2)]).via(
    "takes over from one that was answered late"
)
def test_no_two_replicas_hold_a_shard_at_a_time(rates: tuple[float, ...], script: list[Turn]) -> None:
    for now, replicas in play(rates, script):
        holders = [replica.standing.identity for replica in replicas if replica.holds(now * replica.rate)]
        assert len(holders) <= 1, holders


@given(rates, turns)
@example(EVEN, [(0, "see", 0.0), (0, "step", 0.0), (0, "put", 5.0), (0, "step", 5.0)]).via(
    "a renewal is answered after the end of its term"
)
def test_every_term_has_an_epoch_of_its_own(rates: tuple[float, ...], script: list[Turn]) -> None:
    terms: dict[int, tuple[str, float]] = {}
    for _, replicas in play(rates, script):
        for replica in replicas:
            if (term := replica.standing.term) is not None:
                assert terms.setdefault(term.epoch, (replica.standing.identity, term.since))[1] == term.since


def test_the_scripts_lead_to_takeovers() -> None:
    script = [(0, "see", 0.0), (0, "step", 0.0), (1, "see", 0.3), (1, "step", 15.1)]
    *_, (now, replicas) = play(EVEN, script)
    assert [replica.holds(now) for replica in replicas] == [False, True, False]
