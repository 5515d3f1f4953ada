"""Access to the tables through SQLAlchemy, in a file or on a server: for everything but the append of a record."""

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

import asyncpg
from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.ext.asyncio import create_async_engine

from keeper.domain.errors import JournalError
from keeper.journal.address import PostgresServer, SqliteFile
from keeper.journal.failures import translated
from keeper.journal.tables import WeiSum

_T = TypeVar("_T")

LOCK_PATIENCE_S = 5.0
_CONNECT_S = 5.0
_QUERY_S = 60.0
_ONE_CONNECTION: dict[str, Any] = {"pool_size": 1, "max_overflow": 0, "pool_pre_ping": True}


class Database(Protocol):
    """Where the tables are. As text it is what an operator calls it, without secrets."""

    async def run(self, work: Callable[[Connection], _T], *, writes: bool = False) -> _T:
        """Do the work in one transaction, without holding up the event loop; raises JournalError."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


class SqliteDatabase:
    """A file; with `read_only` one that must exist, and is left as it is."""

    def __init__(self, file: SqliteFile, *, read_only: bool = False) -> None:
        self.file = file
        self._read_only = read_only
        self._engine = self._make_engine()

    def __str__(self) -> str:
        return str(self.file)

    async def run(self, work: Callable[[Connection], _T], *, writes: bool = False) -> _T:
        """See Database."""
        return await asyncio.to_thread(self._run, work, "BEGIN IMMEDIATE" if writes else "BEGIN")

    async def close(self) -> None:
        """See Database; every piece of work has had a connection of its own."""

    def _run(self, work: Callable[[Connection], _T], begin: str) -> _T:
        if self._read_only and not self.file.path.exists():
            raise JournalError(f"there is no journal at {self}: has a keeper run with this JOURNAL_URL?")
        with translated(self), self._engine.execution_options(begin=begin).begin() as connection:
            return work(connection)

    def _make_engine(self) -> Engine:
        engine = create_engine("sqlite://", creator=self._connect, poolclass=NullPool, hide_parameters=True)
        event.listen(engine, "begin", _begin)
        return engine

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self._read_only else "rwc"
        uri = f"{self.file.path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=LOCK_PATIENCE_S, isolation_level=None)
        connection.create_aggregate("wei_sum", 1, WeiSum)  # type: ignore[arg-type]  # typeshed knows only numbers
        connection.execute("PRAGMA foreign_keys = ON")
        return connection


def _begin(connection: Connection) -> None:
    """Begin as asked for: left to itself, Python's driver would put no transaction around the making of tables."""
    connection.exec_driver_sql(connection.get_execution_options()["begin"])


class PostgresDatabase:
    """A database on a server; a connection for each piece of work, or one that is kept for all."""

    def __init__(self, server: PostgresServer, *, keeps_connection: bool = False) -> None:
        self.server = server
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=partial(connect, server),
            hide_parameters=True,
            **(_ONE_CONNECTION if keeps_connection else {"poolclass": NullPool}),
        )

    def __str__(self) -> str:
        return str(self.server)

    async def run(self, work: Callable[[Connection], _T], *, writes: bool = False) -> _T:  # noqa: ARG002 - all may
        """See Database."""
        with translated(self):
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)

    async def close(self) -> None:
        """See Database."""
        await self._engine.dispose()


async def connect(server: PostgresServer) -> "asyncpg.Connection":
    """A new connection."""
    return await asyncpg.connect(
        server.url,
        password=server.password,
        timeout=_CONNECT_S,
        command_timeout=_QUERY_S,
        server_settings={"application_name": "keeper journal"},
    )
