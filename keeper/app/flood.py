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
"""Libraries may put anything into their messages: of more kinds than this the oldest is forgotten."""


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
                self._kinds.popitem(last=False)
        if kind.held is None and kind.takes(now):
            yield record
        else:
            kind.held = record
            kind.left_out += 1
        yield from self._overdue(now)

    def _overdue(self, now: float) -> Iterator[logging.LogRecord]:
        for kind in self._kinds.values():
            if kind.held is not None and kind.takes(now):
                held, left_out, kind.held, kind.left_out = kind.held, kind.left_out - 1, None, 0
                yield _with_count(held, left_out) if left_out else held


def _key(record: logging.LogRecord) -> tuple[object, ...]:
    fields = getattr(record, "fields", {})
    return record.name, record.msg, fields.get("network"), fields.get("source")


def _with_count(record: logging.LogRecord, left_out: int) -> logging.LogRecord:
    text = f"{getattr(record, 'text', record.getMessage())} (and {left_out:,} more like it before)"
    fields = {**getattr(record, "fields", {}), "left_out": left_out}
    return logging.makeLogRecord({**vars(record), "fields": fields, "text": text})
