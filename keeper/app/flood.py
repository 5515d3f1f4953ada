"""Keeps the log readable: lines of one kind that come in numbers are counted instead of written."""

import logging
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

AT_ONCE = 10
"""Lines of one kind that are written as they come."""
REFILL_S = 360.0
"""After that, one more in so long."""
_MOST_KINDS = 1000
"""Libraries may put anything into their messages: of more kinds than this the oldest is written and forgotten."""


@dataclass(slots=True)
class _Kind:
    """A bucket of tokens, each good for a line."""

    tokens: float
    filled_at: float
    held: logging.LogRecord | None = None
    """The newest line that was not written."""
    left_out: int = 0

    def takes(self, now: float) -> bool:
        """Whether a line may be written now; it counts as written."""
        self.tokens = min(AT_ONCE, self.tokens + (now - self.filled_at) / REFILL_S)
        self.filled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def hold(self, record: logging.LogRecord) -> None:
        """Leave it out for now. Its message is fixed, for its arguments may change."""
        record.msg, record.args = record.getMessage(), None
        self.held = record
        self.left_out += 1

    def release(self) -> Iterator[logging.LogRecord]:
        """The newest that was left out, if any was, with the number of those before it."""
        held, others, self.held, self.left_out = self.held, self.left_out - 1, None, 0
        if held is not None:
            yield _with_count(held, others) if others else held


class FloodGate:
    """Decides which lines are written. A kind is the name of the event together with its network and source.

    A record that says it is `paced` comes in good measure by itself, and is always written.

    Of those that are left out the newest is written, with their number, as soon as its kind may speak again and
    anything at all is logged. To be used by one thread at a time.
    """

    def __init__(self) -> None:
        self._kinds: OrderedDict[tuple[object, ...], _Kind] = OrderedDict()

    def passing(self, record: logging.LogRecord, now: float) -> Iterator[logging.LogRecord]:
        """What is to be written now that this line has come; `now` in monotonic seconds."""
        if getattr(record, "paced", False):
            yield record
            yield from self._overdue(now)
            return
        key = _key(record)
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = _Kind(AT_ONCE, now)
            if len(self._kinds) > _MOST_KINDS:
                yield from self._kinds.popitem(last=False)[1].release()
        if kind.held is None and kind.takes(now):
            yield record
        else:
            kind.hold(record)
        yield from self._overdue(now)

    def drain(self) -> Iterator[logging.LogRecord]:
        """What has not been written yet."""
        for kind in self._kinds.values():
            yield from kind.release()

    def _overdue(self, now: float) -> Iterator[logging.LogRecord]:
        for kind in self._kinds.values():
            if kind.held is not None and kind.takes(now):
                yield from kind.release()


def _key(record: logging.LogRecord) -> tuple[object, ...]:
    fields = getattr(record, "fields", {})
    return record.name, str(record.msg), fields.get("network"), fields.get("source")


def _with_count(record: logging.LogRecord, left_out: int) -> logging.LogRecord:
    text = f"{getattr(record, 'text', record.getMessage())} (and {left_out:,} more like it before)"
    fields = {**getattr(record, "fields", {}), "left_out": left_out}
    return logging.makeLogRecord({**vars(record), "fields": fields, "text": text})
