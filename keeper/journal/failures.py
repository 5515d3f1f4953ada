"""What databases say of their failures, in the words of an operator: what is wrong, and what to do."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from asyncpg import InterfaceError, InternalClientError, PostgresError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from keeper.domain.errors import JournalError

_REMEDIES = {
    "database or disk is full": "the disk is full: free some space",
    "disk i/o error": "its disk fails, or is full: check both",
    "readonly database": "it may not be written: give the keeper's user the right to write the file and its folder",
    "unable to open database file": "the file cannot be opened: check its folder and the rights of the keeper's user",
    "database is locked": "another program holds a lock on it: end that one",
    "malformed": "the file is damaged: move it away, a new one will be made",
    "file is not a database": "the file is something else: move it away, or name another",
    "locking protocol": "its file system has no locks (a network drive?): put it on a local disk",
}
"""By what SQLite says, in lower case."""

_REMEDIES_BY_STATE = {
    "28": "the server refuses user or password: correct JOURNAL_URL",
    "3D": "the server has no such database: create it (createdb), or correct JOURNAL_URL",
    "42501": "the user lacks rights: grant it to create and to write tables",
    "25006": "the server is a read-only replica: name the primary",
    "53100": "the server's disk is full: free some space",
    "53": "the server lacks resources: look at its log",
    "57P": "the server is shutting down or starting: it should be back by itself",
    "08": "the connection was lost: is the server up?",
}
"""By how PostgreSQL's SQLSTATE begins; the more telling ones first."""


@contextmanager
def translated(where: object) -> Iterator[None]:
    """Turns whatever a database or its driver raises into JournalError; `where` names the journal."""
    try:
        yield
    except (sqlite3.Error, SQLAlchemyError, PostgresError, InterfaceError, InternalClientError, OSError) as exc:
        raise failure(where, exc) from exc


def failure(where: object, error: Exception) -> JournalError:
    """The error for what a database or its driver raised."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return JournalError(f"the journal at {where} fails: {_remedy(cause)}")


def is_locked(error: sqlite3.Error) -> bool:
    """Whether somebody else is writing to the file just now."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _remedy(error: BaseException) -> str:
    told = str(error).strip().partition("\n")[0]
    state = getattr(error, "sqlstate", None)
    if state:
        known = (remedy for start, remedy in _REMEDIES_BY_STATE.items() if str(state).startswith(start))
        return next(known, f"the server says: {told}")
    if isinstance(error, OSError):
        return f"it cannot be reached ({error.strerror or type(error).__name__}): is the server up, and the URL right?"
    known = (remedy for part, remedy in _REMEDIES.items() if part in told.lower())
    return next(known, told)
