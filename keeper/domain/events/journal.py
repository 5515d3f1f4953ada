"""Whether the journal works."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class JournalFailed:
    """The journal cannot be written or read; told once, until it works again."""

    error: str


@dataclass(frozen=True, slots=True)
class JournalRecovered:
    """The journal works again, and what had to wait is in it."""

    backlog: int
    """Records that waited."""
    lost: int
    """Records that were one too many to wait."""


JournalEvent: TypeAlias = JournalFailed | JournalRecovered
