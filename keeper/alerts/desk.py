"""Decides what is told when: each cause once, again now and then while it lasts, and once more when it is over."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from keeper.alerts.conditions import Condition

CALM_S = 30.0
"""A cause is over when it has been gone for so long: one that comes and goes is one cause."""


class Stage(StrEnum):
    """What a message says of its cause."""

    FIRING = "firing"
    RESOLVED = "resolved"
    HAPPENED = "happened"
    """It is over as soon as it is told."""
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Message:
    """One message to whoever is woken."""

    stage: Stage
    alert: str
    subject: str
    text: str
    since: float
    """Unix seconds."""


@dataclass(slots=True)
class _Open:
    condition: Condition
    since: float
    told_at: float | None = None
    gone_at: float | None = None


@dataclass(slots=True)
class _Happened:
    told_at: float
    since_then: int = 0


class Desk:
    """Pure: `now` is an argument, Unix seconds."""

    def __init__(self, *, repeat_s: float) -> None:
        """The same cause is told once in so long."""
        self._repeat_s = repeat_s
        self._open: dict[tuple[str, str], _Open] = {}
        self._happened: dict[tuple[str, str], _Happened] = {}

    def look(self, conditions: Iterable[Condition], now: float) -> Iterator[Message]:
        """What is to be told, these being all that hold now."""
        holding = {condition.key: condition for condition in conditions}
        for key in [key for key in self._open if key not in holding]:
            yield from self._gone(key, now)
        for key, condition in holding.items():
            known = self._open.setdefault(key, _Open(condition, now))
            known.condition, known.gone_at = condition, None
            due = known.since + condition.patience_s if known.told_at is None else known.told_at + self._repeat_s
            if now >= due:
                known.told_at = now
                yield _message(Stage.FIRING, condition, known.since)

    def _gone(self, key: tuple[str, str], now: float) -> Iterator[Message]:
        over = self._open[key]
        if over.gone_at is None:
            over.gone_at = now
        if over.told_at is None:
            del self._open[key]
        elif now >= over.gone_at + CALM_S:
            del self._open[key]
            yield _message(Stage.RESOLVED, over.condition, over.since)

    def happened(self, alert: str, subject: str, text: str, now: float) -> Message | None:
        """Something that has no end; None where the same was told not long ago, which counts it."""
        known = self._happened.get((alert, subject))
        if known is not None and now < known.told_at + self._repeat_s:
            known.since_then += 1
            return None
        more = f" ({known.since_then} more since the last message)" if known and known.since_then else ""
        self._happened[alert, subject] = _Happened(now)
        return Message(Stage.HAPPENED, alert, subject, f"{text}{more}", now)


def _message(stage: Stage, condition: Condition, since: float) -> Message:
    return Message(stage, condition.name, condition.subject, condition.text, since)
