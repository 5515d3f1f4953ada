"""What is kept for whom: whatever clients do, order holds, nothing comes twice, and what is lost is counted."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from keeper.domain.errors import UsageError
from keeper.server.streams.frame_parts import Priority
from keeper.server.streams.hub import Backlog, Buffers, FrameId, Hub, frame_id
from keeper.server.streams.topics import PUSH, Wanted
from tests.support.streaming import BOOT, TYPE_OF, message

BUFFERS = Buffers(high=5, medium=3, low=2)
PRIORITIES = st.sampled_from(Priority)


def filled(*priorities: Priority) -> Hub:
    hub = Hub(BOOT, BUFFERS)
    for priority in priorities:
        hub.keep(message(hub.next_sequence(), TYPE_OF[priority]))
    return hub


def numbers(messages: object) -> list[int]:
    return [each.sequence for each in messages]  # type: ignore[attr-defined]


def test_a_slow_client_loses_prices_first() -> None:
    backlog = Backlog(Wanted(), BUFFERS)
    for number in range(1, 7, 2):
        backlog.offer(message(number, "price"))
        backlog.offer(message(number + 1, "plan"))
    assert numbers(backlog.take(10)) == [2, 3, 4, 5, 6]
    assert backlog.dropped() == Counter({Priority.LOW: 1})
    assert backlog.dropped() == Counter()


def test_what_is_not_wanted_is_neither_kept_nor_counted() -> None:
    backlog = Backlog(Wanted(types=PUSH), BUFFERS)
    for number in range(1, 9):
        backlog.offer(message(number, "price"))
    assert not backlog
    assert backlog.dropped() == Counter()


def test_a_new_client_begins_with_what_comes_next() -> None:
    resumed = filled(*[Priority.HIGH] * 4).resume(Wanted(), None)
    assert (resumed.position, numbers(resumed.messages), resumed.missed) == (4, [], frozenset())


def test_a_new_client_may_ask_for_the_last_ones() -> None:
    hub = filled(Priority.HIGH, Priority.LOW, Priority.HIGH, Priority.HIGH)
    resumed = hub.resume(Wanted(types=PUSH), None, last=2)
    assert (resumed.position, numbers(resumed.messages)) == (2, [3, 4])


def test_who_comes_back_gets_exactly_what_was_missed() -> None:
    resumed = filled(*[Priority.HIGH] * 5).resume(Wanted(), FrameId(BOOT, 2))
    assert (resumed.position, numbers(resumed.messages), resumed.missed) == (2, [3, 4, 5], frozenset())


def test_who_comes_back_too_late_is_told_what_may_be_missing() -> None:
    hub = filled(*[Priority.LOW] * 4, *[Priority.HIGH] * 4)
    assert hub.resume(Wanted(), FrameId(BOOT, 1)).missed == {Priority.LOW}
    assert hub.resume(Wanted(), FrameId(BOOT, 2)).missed == frozenset()
    assert hub.resume(Wanted(types=PUSH), FrameId(BOOT, 1)).missed == frozenset()


@pytest.mark.parametrize("id_", ["1badcafe-2", f"{BOOT}-99"])
def test_an_id_of_another_process_begins_anew(id_: str) -> None:
    resumed = filled(*[Priority.HIGH] * 3).resume(Wanted(), frame_id(id_))
    assert (resumed.position, numbers(resumed.messages), resumed.missed) == (3, [], frozenset(Priority))


@pytest.mark.parametrize("id_", ["7", "-7", f"{BOOT}-", f"{BOOT}-x", f"{BOOT}-²", f"{BOOT}-{'9' * 30}"])
def test_what_is_no_id_is_refused(id_: str) -> None:
    with pytest.raises(UsageError, match="is no id of a frame"):
        frame_id(id_)


@given(st.lists(PRIORITIES, max_size=40), st.integers(0, 40))
def test_of_what_is_wanted_all_comes_back_or_its_loss_is_told(told: list[Priority], since: int) -> None:
    hub = filled(*told)
    resumed = hub.resume(Wanted(), FrameId(BOOT, since))
    got = set(numbers(resumed.messages))
    lost = {priority for at, priority in enumerate(told, start=1) if at > since and at not in got}
    assert resumed.missed >= lost if since <= len(told) else resumed.missed == frozenset(Priority)
    if since <= len(told):
        assert resumed.missed == lost


class Clients(RuleBasedStateMachine):
    """Any number of clients that read as they like, and go and come back."""

    @initialize()
    def begin(self) -> None:
        self.hub = Hub(BOOT, BUFFERS)
        self.told: list[Priority] = []
        self.backlogs: list[Backlog] = []
        self.received: list[list[int]] = []
        self.dropped: list[Counter[Priority]] = []
        self.began: list[int] = []

    @rule()
    def join(self) -> None:
        self.backlogs.append(Backlog(Wanted(), BUFFERS))
        self.received.append([])
        self.dropped.append(Counter())
        self.began.append(self.hub.newest)

    @rule(priority=PRIORITIES)
    def tell(self, priority: Priority) -> None:
        new = message(self.hub.next_sequence(), TYPE_OF[priority])
        self.hub.keep(new)
        self.told.append(priority)
        for backlog in self.backlogs:
            backlog.offer(new)

    @rule(which=st.integers(0, 100), most=st.integers(1, 8))
    def read(self, which: int, most: int) -> None:
        if self.backlogs:
            at = which % len(self.backlogs)
            self.dropped[at] += self.backlogs[at].dropped()
            self.received[at] += numbers(self.backlogs[at].take(most))

    @invariant()
    def everything_is_received_in_order_waits_or_was_counted(self) -> None:
        for at, backlog in enumerate(self.backlogs):
            waiting = Backlog.take(backlog, 10**6)
            received = [*self.received[at], *numbers(waiting)]
            for each in waiting:
                assert backlog.offer(each) is None
            dropped = self.dropped[at] + (uncounted := backlog.dropped())
            self.dropped[at] += uncounted
            for priority in Priority:
                ours = [n for n in received if self.told[n - 1] is priority]
                assert ours == sorted(set(ours))
                due = [n for n, one in enumerate(self.told, start=1) if one is priority and n > self.began[at]]
                assert len(ours) + dropped[priority] == len(due)
            assert [*self.received[at]] == sorted(set(self.received[at]))


TestClients = Clients.TestCase
