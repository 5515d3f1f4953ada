"""A journal in a file. A record is a few statements of plain sqlite3 in one transaction.

With `Sync.NORMAL` that takes microseconds and waits for no disk, so it is done on the event loop: what a process has
written survives its death. With `Sync.FULL` it waits for the disk, in a thread, and survives the loss of power.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial

from keeper.domain.errors import JournalError
from keeper.journal.address import SqliteFile, Sync
from keeper.journal.changes import Changes, FeedCostRow, PushRow
from keeper.journal.database import SqliteDatabase
from keeper.journal.failures import is_locked, translated
from keeper.journal.journal import APPEND_S, StoredJournal

_LOCKED_PAUSE_S = 0.002
_TIDYING_PATIENCE_S = 0.02
_APPENDS_PER_CHECKPOINT = 256
_LOG_LIMIT_BYTES = 64 * 2**20


def _insert(table: str, *columns: str) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of our own


_TERM = """
SELECT epoch FROM keeper_terms JOIN keeper_accounts USING (chain_id, address) WHERE keeper_accounts.id = ?
"""
_PUT_PUSH = (
    _insert("keeper_pushes", "account_id", *PushRow._fields)
    + " ON CONFLICT (account_id, push) DO UPDATE SET "
    + ", ".join(
        f"{name} = excluded.{name}"
        for name in PushRow._fields
        if name not in {"push", "decided_at", "mined_at", "ended_at"}
    )
    + ", mined_at = CASE WHEN excluded.mined_at IS NOT NULL THEN coalesce(mined_at, excluded.mined_at) END"
    + ", ended_at = coalesce(ended_at, excluded.ended_at)"
)
_PUT_ATTEMPT = """
INSERT INTO keeper_attempts (
    account_id, push, seq, nonce, hash, fate, signed_at, sent_at, since_block, fee_cap, tip, legacy, gas_limit, value,
    cancels, plan, raw
)
SELECT ?1, ?2, (SELECT coalesce(max(seq), 0) + 1 FROM keeper_attempts WHERE account_id = ?1 AND push = ?2),
    ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16
WHERE true
ON CONFLICT (account_id, hash) DO UPDATE SET
    push = excluded.push, seq = CASE WHEN push = excluded.push THEN seq ELSE excluded.seq END, plan = excluded.plan,
    fate = excluded.fate, since_block = excluded.since_block, raw = excluded.raw,
    sent_at = coalesce(sent_at, excluded.sent_at)
"""
"""What is signed with the bytes of an earlier push, which gave its nonce back, belongs to the later one."""
_SET_FATE = """
UPDATE keeper_attempts SET fate = ?, sent_at = coalesce(sent_at, ?), since_block = ? WHERE account_id = ? AND hash = ?
"""
_DROP_FEED_COSTS = "DELETE FROM keeper_feed_costs WHERE account_id = ? AND push = ?"
_PUT_FEED_COST = _insert("keeper_feed_costs", "account_id", "push", *FeedCostRow._fields)
_PUT_NOTE = """
INSERT INTO keeper_notes (account_id, push, seq, at, kind, tx_hash, endpoint, detail)
SELECT ?1, ?2, (SELECT coalesce(max(seq), 0) + 1 FROM keeper_notes WHERE account_id = ?1 AND push = ?2),
    ?3, ?4, ?5, ?6, ?7
WHERE NOT EXISTS (
    SELECT 1 FROM keeper_notes
    WHERE account_id = ?1 AND push = ?2 AND at = ?3 AND kind = ?4 AND tx_hash = ?5 AND endpoint = ?6 AND detail = ?7
)
"""


class SqliteJournal(StoredJournal):
    """See Journal."""

    def __init__(self, file: SqliteFile, *, sync: Sync = Sync.NORMAL, append_s: float = APPEND_S) -> None:
        super().__init__(SqliteDatabase(file), append_s=append_s)
        self._file = file
        self._sync = sync
        self._writer: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._untidied = 0
        self._tidying: asyncio.Task[None] | None = None

    async def _connect(self) -> None:
        await self._let_go()
        with translated(self._file):
            self._writer = await asyncio.to_thread(open_writer, self._file, self._sync)

    async def _append(self, account_id: int, rows: Changes, epoch: int | None) -> int:
        writer = self._writer
        if writer is None:
            raise JournalError(f"the journal at {self._file} is not open")
        with translated(self._file):
            while (term := await self._do(partial(_write, writer, account_id, rows, epoch))) is None:  # noqa: ASYNC110 - not our lock
                await asyncio.sleep(_LOCKED_PAUSE_S)
        self._untidied += 1
        if self._untidied >= _APPENDS_PER_CHECKPOINT and rows.push.ended_at is not None:
            self._start_tidying()
        return term

    def _start_tidying(self) -> None:
        """Best at the end of a push: while it lasts, a record may have to wait for some milliseconds."""
        if self._tidying is None or self._tidying.done():
            self._untidied = 0
            self._tidying = asyncio.create_task(asyncio.to_thread(_tidy, self._file), name="journal checkpoint")

    async def _do(self, work: Callable[[], int | None]) -> int | None:
        if self._sync is Sync.NORMAL:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """See Journal."""
        if self._tidying is not None:
            await self._tidying
        await self._let_go()
        self._thread.shutdown(wait=False)

    async def _let_go(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with translated(self._file):
                await asyncio.to_thread(writer.close)


def open_writer(file: SqliteFile, sync: Sync) -> sqlite3.Connection:
    """A connection whose commits are as durable as `sync` says; raises sqlite3.Error."""
    writer = sqlite3.connect(file.path, timeout=0, isolation_level=None, check_same_thread=False)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute(f"PRAGMA synchronous = {sync.value}")
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute(f"PRAGMA journal_size_limit = {_LOG_LIMIT_BYTES}")
    writer.execute("PRAGMA foreign_keys = ON")
    return writer


def _write(writer: sqlite3.Connection, account_id: int, rows: Changes, epoch: int | None) -> int | None:
    """Write all or nothing; returns the account's term, or None where somebody else is writing just now."""
    try:
        writer.execute("BEGIN IMMEDIATE")
        (term,) = writer.execute(_TERM, (account_id,)).fetchone() or (0,)
        if epoch is None or term <= epoch:
            _execute(writer, account_id, rows)
            writer.execute("COMMIT")
    except sqlite3.Error as exc:
        if is_locked(exc):
            return None
        raise
    finally:
        if writer.in_transaction:
            writer.execute("ROLLBACK")
    return int(term)


def _execute(writer: sqlite3.Connection, account_id: int, rows: Changes) -> None:
    push = rows.push.push
    writer.execute(_PUT_PUSH, (account_id, *rows.push))
    for attempt in rows.attempts:
        writer.execute(_PUT_ATTEMPT, (account_id, push, rows.push.nonce, *attempt))
    for fate in rows.fates:
        writer.execute(_SET_FATE, (fate.fate, fate.sent_at, fate.since_block, account_id, fate.hash))
    if rows.feed_costs is not None:
        writer.execute(_DROP_FEED_COSTS, (account_id, push))
        writer.executemany(_PUT_FEED_COST, [(account_id, push, *cost) for cost in rows.feed_costs])
    writer.execute(_PUT_NOTE, (account_id, push, *rows.note))


def _tidy(file: SqliteFile) -> None:
    """Move what was written from the log into the tables, so that the log starts again from its beginning.

    The first write to a log that starts again waits for the disk. It is done here, since the next may be a record's.
    While somebody reads, the log cannot start again: then it grows on until the next time, for no record shall wait.
    """
    with suppress(sqlite3.Error), closing(sqlite3.connect(file.path, timeout=_TIDYING_PATIENCE_S)) as connection:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        connection.execute("PRAGMA user_version = 1")
