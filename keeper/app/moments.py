"""Moments as people write them: UTC, to the second, or so long ago."""

import re
from datetime import UTC, datetime, timedelta

from keeper.domain.errors import UsageError

_AGO = re.compile(r"([0-9]{1,6})(s|m|h|d|w)")
_MICROSECOND_DIGITS = 6
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(text: str, now: float) -> float:
    """Unix seconds of a date, a date with a time (UTC unless it says otherwise) or of 90m, 24h, 7d ago.

    Raises UsageError.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])}).total_seconds()
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as exc:
        raise UsageError(f"{text!r} is no time: something like 2026-01-31, 2026-01-31T10:00 or 24h is wanted") from exc
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def utc_text(at: float, *, digits: int = 0) -> str:
    """For people: date and time to the second, or finer by so many digits."""
    text = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return text[: -_MICROSECOND_DIGITS + digits] if digits else text[: -_MICROSECOND_DIGITS - 1]


def iso_text(at: float | None) -> str | None:
    """For machines: ISO 8601 with microseconds."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


def day_text(day: int) -> str:
    """A date, from days since 1970."""
    return (datetime.fromtimestamp(0, UTC) + timedelta(days=day)).strftime("%Y-%m-%d")
