"""What the log says of the journal."""

import logging
from typing import TypeAlias, assert_never

from keeper.app.lines import Line
from keeper.domain.events import JournalFailed, JournalRecovered

JournalEvent: TypeAlias = JournalFailed | JournalRecovered


def journal_level(event: JournalEvent) -> int:
    """How urgent it is, as logging counts."""
    return logging.CRITICAL if isinstance(event, JournalFailed) else logging.INFO


def journal_line(event: JournalEvent) -> Line:
    """The line for an event."""
    match event:
        case JournalFailed(error=error):
            return Line("journal_failed", f"what happens to pushes is not written down: {error}", {"error": error})
        case JournalRecovered(backlog=backlog, lost=lost):
            text = f"the journal works again: {backlog} records that waited are written, {lost} are lost"
            return Line("journal_recovered", text, {"backlog": backlog, "lost": lost})
        case _:
            assert_never(event)
