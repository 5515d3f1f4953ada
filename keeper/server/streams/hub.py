"""What is told to whom: the frames that are kept, and what waits for each client. No I/O, no clock."""

import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import NamedTuple

from keeper.domain.errors import UsageError
from keeper.server.streams.frame_parts import Priority
from keeper.server.streams.messages import Message
from keeper.server.streams.topics import Wanted


@dataclass(frozen=True, slots=True)
class Buffers:
    """So many frames of each priority are kept, for those who come back and for each client that is slow."""

    high: int = 1000
    medium: int = 500
    low: int = 100

    def size(self, priority: Priority) -> int:
        """Of one priority."""
        return {Priority.HIGH: self.high, Priority.MEDIUM: self.medium, Priority.LOW: self.low}[priority]


class Backlog:
    """What waits for one client: of each priority the newest, in order, and how many had to give way."""

    def __init__(self, wanted: Wanted, buffers: Buffers) -> None:
        self.wanted = wanted
        self._queues = {priority: deque[Message](maxlen=buffers.size(priority)) for priority in Priority}
        self._dropped: Counter[Priority] = Counter()

    def __bool__(self) -> bool:
        return any(self._queues.values())

    def offer(self, message: Message) -> Priority | None:
        """Keep it for the client, if wanted; the priority of the older one that had to give way for it, or None."""
        if not self.wanted.admits(message):
            return None
        queue = self._queues[message.priority]
        full = len(queue) == queue.maxlen
        queue.append(message)
        if not full:
            return None
        self._dropped[message.priority] += 1
        return message.priority

    def take(self, most: int, most_bytes: int = sys.maxsize) -> list[Message]:
        """The oldest ones, of whatever priority, as many as that; none more once they have so many bytes."""
        taken: list[Message] = []
        size = 0
        while (
            len(taken) < most and size < most_bytes and (queues := [queue for queue in self._queues.values() if queue])
        ):
            taken.append(min(queues, key=lambda queue: queue[0].sequence).popleft())
            size += len(taken[-1].sse)
        return taken

    def dropped(self) -> Counter[Priority]:
        """How many gave way since this was last asked."""
        dropped, self._dropped = self._dropped, Counter()
        return dropped


class FrameId(NamedTuple):
    """The process that told it, and its number there."""

    boot: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Resumption:
    """Where a client goes on."""

    position: int
    """The sequence number after which it gets all that is kept and wanted."""
    messages: Sequence[Message]
    missed: frozenset[Priority]
    """Of these some that it may have wanted are no longer kept."""


class Hub:
    """Numbers frames, and keeps the newest of each priority."""

    def __init__(self, boot: str, buffers: Buffers) -> None:
        self.boot = boot
        self.buffers = buffers
        self.newest = 0
        self._kept = {priority: deque[Message](maxlen=buffers.size(priority)) for priority in Priority}
        self._forgotten = dict.fromkeys(Priority, 0)
        """The newest frame of each priority that is no longer kept."""

    def id_of(self, sequence: int) -> str:
        """As clients know it."""
        return f"{self.boot}-{sequence}"

    def next_sequence(self) -> int:
        """The number of the next frame."""
        return self.newest + 1

    def keep(self, message: Message) -> None:
        """The next frame."""
        self.newest = message.sequence
        kept = self._kept[message.priority]
        if len(kept) == kept.maxlen:
            self._forgotten[message.priority] = kept[0].sequence
        kept.append(message)

    def resume(self, wanted: Wanted, since: FrameId | None, last: int = 0) -> Resumption:
        """From a frame on, or the `last` ones where none is named."""
        if since is None:
            messages = [*self._after(0, wanted)][-last:] if last else []
            position = messages[0].sequence - 1 if messages else self.newest
            return Resumption(position, messages, frozenset())
        boot, sequence = since
        if boot != self.boot or sequence > self.newest:
            return Resumption(self.newest, [], wanted.priorities)
        missed = frozenset(each for each in wanted.priorities if self._forgotten[each] > sequence)
        return Resumption(sequence, [*self._after(sequence, wanted)], missed)

    def _after(self, sequence: int, wanted: Wanted) -> Iterator[Message]:
        in_order = merge(*self._kept.values(), key=lambda message: message.sequence)
        return (message for message in in_order if message.sequence > sequence and wanted.admits(message))


def frame_id(id_: str) -> FrameId:
    """From its text; raises UsageError for what is none."""
    boot, dash, sequence = id_.partition("-")
    if not (boot and dash and sequence.isascii() and sequence.isdigit() and len(sequence) < 20):
        raise UsageError(f"{id_[:40]!r} is no id of a frame: it is told with each of them, as BOOT-NUMBER")
    return FrameId(boot, int(sequence))
