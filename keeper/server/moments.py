"""Moments as text."""

from datetime import UTC, datetime


def utc_text(at: float) -> str:
    """A moment (Unix seconds) to the second, UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
