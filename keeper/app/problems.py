"""What is wrong with the operator's input: all of it at once, a line each, none of them with a secret in it."""

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches

from pydantic import ValidationError

from keeper.domain.errors import UsageError

_LONGEST_SHOWN = 40
"""Shorter than any key: one that was put into the wrong place is not shown."""
MISSING = "is missing"


class SettingsError(UsageError):
    """The settings cannot be used; `lines` say why, one problem each."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        count = "one problem" if len(self.lines) == 1 else f"{len(self.lines)} problems"
        super().__init__("\n".join([f"{count} with the settings:", *(f"  {line}" for line in self.lines)]))


class Wrong(UsageError, ValueError):
    """One value cannot be used. Each reason says why, in words that say what to do, without the value's name."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def shown(text: str) -> str:
    """A value as it may stand in a message."""
    return repr(text) if len(text) <= _LONGEST_SHOWN else f"a text of {len(text)} characters"


def did_you_mean(name: str, known: Collection[str]) -> str:
    """`: did you mean ...?` where one of the known names is close, or nothing."""
    close = get_close_matches(name, known, n=1, cutoff=0.8)
    return f": did you mean {close[0]}?" if close else ""


def explained(error: ValidationError, known: Collection[str]) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Where each mistake is, and what it is, in our words."""
    for mistake in error.errors(include_url=False, include_input=False):
        where = mistake["loc"]
        cause = mistake.get("ctx", {}).get("error")
        if isinstance(cause, Wrong):
            yield from ((where, reason) for reason in cause.reasons)
        elif mistake["type"] == "missing":
            yield where, MISSING
        elif mistake["type"] == "extra_forbidden":
            yield where, f"is not known here{did_you_mean(str(where[-1]), known)}"
        elif mistake["type"] in {"model_type", "model_attributes_type"}:
            yield where, "is not a set of `name: value` lines"
        else:
            yield where, mistake["msg"]
