"""Leases in a table of the journal's PostgreSQL server: `keeper_leases`, which the journal's migrations make."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace

import asyncpg

from keeper.coordination.lease import Conflict, Lease
from keeper.domain.errors import Transient

_CONNECT_S = 3.0
_SESSION = {"application_name": "keeper leadership", "synchronous_commit": "on"}
"""A write that a crash of the server takes back would make two leaders."""
_READ = "SELECT shard, version, holder, duration_s, epoch, acquired_us, renewed_us, notes FROM keeper_leases"
_CREATE = """
INSERT INTO keeper_leases (shard, version, holder, duration_s, epoch, acquired_us, renewed_us, notes)
VALUES ($1, 1, $2, $3, $4, $5, $6, $7) ON CONFLICT (shard) DO NOTHING RETURNING version
"""
_REPLACE = """
UPDATE keeper_leases SET version = version + 1, holder = $2, duration_s = $3, epoch = $4, acquired_us = $5,
    renewed_us = $6, notes = $7
WHERE shard = $1 AND version = $8 RETURNING version
"""


class PostgresLeases:
    """See LeaseStore. Writes have a connection of their own: none waits for a read that hangs."""

    def __init__(self, url: str, label: str, *, password: str | None = None) -> None:
        """`label` is what an operator calls the server; the URL may hold a password, and is never shown."""
        self._reads = _Line(url, label, password)
        self._writes = _Line(url, label, password)

    async def read(self) -> Mapping[str, Lease]:
        """See LeaseStore."""
        return {
            row["shard"]: Lease(
                version=str(row["version"]),
                holder=row["holder"],
                duration_s=row["duration_s"],
                epoch=row["epoch"],
                acquired_us=row["acquired_us"],
                renewed_us=row["renewed_us"],
                notes=json.loads(row["notes"]),
            )
            for row in await self._reads.fetch(_READ)
        }

    async def write(self, shard: str, lease: Lease) -> Lease:
        """See LeaseStore."""
        arguments: list[object] = [shard, lease.holder, lease.duration_s, lease.epoch]
        arguments += [lease.acquired_us, lease.renewed_us, json.dumps(dict(lease.notes))]
        if lease.version:
            rows = await self._writes.fetch(_REPLACE, *arguments, int(lease.version))
        else:
            rows = await self._writes.fetch(_CREATE, *arguments)
        if not rows:
            raise Conflict(f"the lease of {shard} was written by another keeper")
        return replace(lease, version=str(rows[0]["version"]))

    async def close(self) -> None:
        """See LeaseStore."""
        self._reads.drop()
        self._writes.drop()


class _Line:
    """One connection, made when it is needed; one on which something fails, or is cut short, is not used again."""

    def __init__(self, url: str, label: str, password: str | None) -> None:
        self._url = url
        self._password = {} if password is None else {"password": password}
        self._label = label
        self._turn = asyncio.Lock()
        self._connection: asyncpg.Connection | None = None

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows; raises Transient."""
        async with self._turn:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(
                        self._url, timeout=_CONNECT_S, server_settings=_SESSION, **self._password
                    )
                rows: list[asyncpg.Record] = await self._connection.fetch(query, *arguments)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as exc:
                self.drop()
                raise Transient(f"the leases at {self._label} cannot be used: {_reason(exc)}") from exc
            except BaseException:
                self.drop()
                raise
            return rows

    def drop(self) -> None:
        """Close the connection at once."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def _reason(error: Exception) -> str:
    """The server's own words; of the way to it only what the system says, for libraries name URLs."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error).partition("\n")[0]
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__
