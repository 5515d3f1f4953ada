"""What an operator is told of a database's failures."""

import sqlite3
from contextlib import closing

import asyncpg
import pytest
from sqlalchemy.exc import OperationalError

from keeper.domain.errors import JournalError
from keeper.journal.failures import failure, translated


def full_disk() -> sqlite3.Error:
    """What SQLite says of it."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as raised:
            connection.executescript("CREATE TABLE a (b); CREATE TABLE c (d)")
    return raised.value


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (full_disk(), "the disk is full: free some space"),
        (sqlite3.OperationalError("disk I/O error"), "its disk fails, or is full"),
        (sqlite3.OperationalError("locking protocol"), "put it on a local disk"),
        (OperationalError("INSERT", {}, full_disk()), "the disk is full: free some space"),
        (sqlite3.OperationalError("something new"), "something new"),
        (asyncpg.DiskFullError("could not extend file"), "the server's disk is full"),
        (asyncpg.InvalidPasswordError("password authentication failed"), "correct JOURNAL_URL"),
        (asyncpg.InvalidCatalogNameError('database "x" does not exist'), "no such database: create it"),
        (asyncpg.InsufficientPrivilegeError("permission denied"), "grant it to create and to write tables"),
        (asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT"), "name the primary"),
        (asyncpg.TooManyConnectionsError("too many clients already"), "lacks resources"),
        (asyncpg.CannotConnectNowError("the database system is starting up"), "should be back by itself"),
        (asyncpg.ConnectionDoesNotExistError("connection was closed"), "is the server up?"),
        (asyncpg.UndefinedTableError('relation "keeper_pushes" does not exist'), 'the server says: relation "keeper'),
        (ConnectionRefusedError(111, "Connection refused"), r"cannot be reached \(Connection refused\)"),
        (TimeoutError(), r"cannot be reached \(TimeoutError\)"),
    ],
)
def test_says_where_what_and_what_to_do(error: Exception, words: str) -> None:
    with pytest.raises(JournalError, match=words) as raised, translated("db:5432/journal"):
        raise error
    assert str(raised.value).startswith("the journal at db:5432/journal fails: ")
    assert raised.value.__cause__ is error


def test_says_one_line_whatever_the_database_says() -> None:
    assert "\n" not in str(failure("x", asyncpg.PostgresError("first line\nDETAIL: second line")))
