"""Whether the journal could be written; nothing in it is made or changed."""

import os

from sqlalchemy import Connection, text

from keeper.app.preflight.finding import Finding, State, tried
from keeper.journal.address import PostgresServer, SqliteFile
from keeper.journal.database import Database, PostgresDatabase, SqliteDatabase
from keeper.journal.migrate import is_current

JOURNAL = "journal"
_DEADLINE_S = 8.0
_MAY_MAKE_TABLES = text("SELECT has_schema_privilege(current_schema(), 'CREATE')")
_IS_READ_ONLY = text("SELECT current_setting('transaction_read_only')::bool")


async def check_journal(address: SqliteFile | PostgresServer) -> Finding:
    """There and up to date, to be made, or out of reach."""
    if isinstance(address, PostgresServer):
        return await _check_tables(PostgresDatabase(address))
    folder = address.path.absolute().parent
    if not os.access(folder, os.W_OK | os.X_OK) or (address.path.exists() and not os.access(address.path, os.W_OK)):
        return Finding(JOURNAL, State.FAIL, f"{address} may not be written: give the user of the keeper the right to")
    if not address.path.exists():
        return Finding(JOURNAL, State.OK, f"{address} will be made")
    return await _check_tables(SqliteDatabase(address, read_only=True))


async def _check_tables(database: Database) -> Finding:
    found = await tried(JOURNAL, database.run(_looked_at), within_s=_DEADLINE_S)
    if isinstance(found, Finding):
        return found
    state, detail = found
    return Finding(JOURNAL, state, f"{database} {detail}")


def _looked_at(connection: Connection) -> tuple[State, str]:
    on_server = connection.dialect.name == "postgresql"
    if on_server and connection.execute(_IS_READ_ONLY).scalar_one():
        return State.FAIL, "is a read-only replica: name the primary in JOURNAL_URL"
    if is_current(connection):
        return State.OK, "is there and up to date"
    if on_server and not connection.execute(_MAY_MAKE_TABLES).scalar_one():
        return State.FAIL, "lets the user make no tables: grant CREATE on the schema"
    return State.OK, "is there, its tables will be made or brought up to date"
