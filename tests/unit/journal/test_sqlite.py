"""The journal in a file when things go wrong around it."""

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import Connection

from keeper.domain.errors import JournalError
from keeper.domain.transaction import Flight, State
from keeper.journal.address import SqliteFile, Sync
from keeper.journal.database import SqliteDatabase
from keeper.journal.migrate import upgrade
from keeper.journal.sqlite import SqliteJournal, open_writer
from tests.support import flights as f
from tests.support.flights import ACCOUNT, BTC

NOBODY = 65534
REPOSITORY = Path(__file__).resolve().parents[3]

WRITER = """
import asyncio, sys
from pathlib import Path
from keeper.domain.transaction import Flight
from keeper.journal.address import SqliteFile
from keeper.journal.sqlite import SqliteJournal
from tests.support import flights as f

async def write():
    journal = SqliteJournal(SqliteFile(Path(sys.argv[1])))
    await journal.open()
    for push in range(1, 1_000_000):
        tried = f.attempt(push, f.plan(f.BTC))
        await journal.record(f.ACCOUNT, Flight(push, push, (tried,)), f.note(push, "signed", tried))
        print(push, flush=True)

asyncio.run(write())
"""


@pytest.fixture
def file(tmp_path: Path) -> SqliteFile:
    return SqliteFile(tmp_path / "journal.db")


@pytest.fixture
async def journal(file: SqliteFile) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(file)
    await journal.open()
    await journal.recover(ACCOUNT)
    yield journal
    await journal.close()


def flight(push: int = 1) -> Flight:
    return Flight(push, push, (f.attempt(push, f.plan(BTC)),))


async def record(journal: SqliteJournal, push: int = 1) -> None:
    await journal.record(ACCOUNT, flight(push), f.note(push, "signed", flight(push).newest))


async def pushes(journal: SqliteJournal) -> list[int]:
    return [flight.push for flight in (await journal.recover(ACCOUNT)).flights]


async def reopened(file: SqliteFile) -> list[int]:
    journal = SqliteJournal(file)
    await journal.open()
    kept = await pushes(journal)
    await journal.close()
    return kept


def log_size(file: SqliteFile) -> int:
    return Path(f"{file}-wal").stat().st_size


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Files of this process grow no further, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_killed_process_has_lost_nothing_that_was_acknowledged(file: SqliteFile) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(file.path)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(500)]
        process.kill()
        acknowledged += map(int, process.stdout.read().split())
    kept = asyncio.run(reopened(file))
    assert kept[: len(acknowledged)] == acknowledged == list(range(1, len(acknowledged) + 1))
    assert len(kept) - len(acknowledged) <= 1


async def test_a_full_disk_is_told_and_what_was_written_before_stays(journal: SqliteJournal, file: SqliteFile) -> None:
    await record(journal, 1)
    with file_size_limit(log_size(file)), pytest.raises(JournalError, match=r"journal\.db fails: .*disk"):
        await record(journal, 2)
    await record(journal, 3)
    assert await pushes(journal) == [1, 3]


async def test_a_journal_that_may_not_be_written_is_told(shared_folder: Path) -> None:
    file = SqliteFile(shared_folder / "journal.db")
    journal = SqliteJournal(file)
    await journal.open()
    await journal.close()
    with read_only(file.path), pytest.raises(JournalError, match="it may not be written: give the keeper's user"):
        await SqliteJournal(file).open()


async def test_a_folder_that_may_not_be_written_is_told(shared_folder: Path) -> None:
    with read_only(shared_folder), pytest.raises(JournalError, match="cannot be opened: check its folder"):
        await SqliteJournal(SqliteFile(shared_folder / "journal.db")).open()


async def test_a_file_of_another_kind_is_told(file: SqliteFile) -> None:
    file.path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(JournalError, match="is something else: move it away"):
        await SqliteJournal(file).open()


async def test_a_damaged_file_is_told(journal: SqliteJournal, file: SqliteFile) -> None:
    await record(journal)
    await journal.close()
    content = bytearray(file.path.read_bytes())
    content[4096:] = b"x" * (len(content) - 4096)
    file.path.write_bytes(content)
    with pytest.raises(JournalError, match="is damaged: move it away"):
        await SqliteJournal(file).recover(ACCOUNT)


async def test_a_newer_keepers_journal_is_left_alone(journal: SqliteJournal, file: SqliteFile) -> None:
    await journal.close()
    with closing(sqlite3.connect(file.path)) as connection, connection:
        connection.execute("UPDATE keeper_journal_version SET version_num = '9999'")
    with pytest.raises(JournalError, match="written by a newer keeper"):
        await SqliteJournal(file).open()


async def test_tables_are_made_all_or_none(file: SqliteFile) -> None:
    def make_and_die(connection: Connection) -> None:
        upgrade(connection)
        raise RuntimeError("the power fails")

    with pytest.raises(RuntimeError, match="the power fails"):
        await SqliteDatabase(file).run(make_and_die, writes=True)
    with closing(sqlite3.connect(file.path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


async def test_waits_for_another_writer_without_holding_up_the_loop(journal: SqliteJournal, file: SqliteFile) -> None:
    with locked(file) as lock:
        recording = asyncio.create_task(record(journal))
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not recording.done(), "it would have failed by now, had it kept the loop until its time was over"
        lock.rollback()
        await recording
    assert await pushes(journal) == [1]


async def test_gives_up_on_a_lock_that_is_never_released(journal: SqliteJournal, file: SqliteFile) -> None:
    with locked(file), pytest.raises(JournalError, match="does another program hold a lock"):
        await record(journal)
    await record(journal)
    assert await pushes(journal) == [1]


@pytest.mark.parametrize(("sync", "level"), [(Sync.NORMAL, 1), (Sync.FULL, 2)])
def test_commits_wait_for_the_disk_only_if_told_to(file: SqliteFile, sync: Sync, level: int) -> None:
    """By SQLite's own word: at level 2 every commit to the log is flushed."""
    with closing(open_writer(file, sync)) as writer:
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert writer.execute("PRAGMA synchronous").fetchone() == (level,)


@pytest.mark.parametrize("sync", Sync)
async def test_the_log_does_not_grow_for_ever(file: SqliteFile, sync: Sync) -> None:
    journal = SqliteJournal(file, sync=sync)
    await journal.open()
    sizes = []
    for push in range(1, 401):
        await journal.record(ACCOUNT, replace(flight(push), end=State.RELEASED), f.note(push, "released"))
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "journal checkpoint"))
        sizes.append(log_size(file))
    await journal.close()
    assert max(sizes[300:]) <= max(sizes[:300])


async def test_no_record_waits_for_a_reader_that_does_not_come_to_an_end(
    journal: SqliteJournal, file: SqliteFile
) -> None:
    """One that waited for so long as a record may would fail."""
    with closing(sqlite3.connect(file.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM keeper_pushes").fetchall()
        for push in range(1, 401):
            ended = replace(flight(push), end=State.RELEASED)
            await journal.record(ACCOUNT, ended, f.note(push, "released"))
            await asyncio.sleep(0.001)


async def test_can_be_opened_again_while_it_is_open(journal: SqliteJournal) -> None:
    await record(journal, 1)
    await journal.open()
    await record(journal, 2)
    assert await pushes(journal) == [1, 2]


async def test_goes_on_in_tables_that_were_made_anew(journal: SqliteJournal, file: SqliteFile) -> None:
    await record(journal)
    with closing(sqlite3.connect(file.path)) as connection, connection:
        tables = (
            "orders",
            "pauses",
            "leases",
            "terms",
            "notes",
            "attempts",
            "feed_costs",
            "pushes",
            "accounts",
            "journal_version",
        )
        for table in tables:
            connection.execute(f"DROP TABLE keeper_{table}")
    with pytest.raises(JournalError, match="no such table"):
        await record(journal, 2)
    await journal.open()
    await record(journal, 2)
    assert await pushes(journal) == [2]


@contextmanager
def locked(file: SqliteFile) -> Iterator[sqlite3.Connection]:
    """Somebody else writes to the file, and does not come to an end."""
    with closing(sqlite3.connect(file.path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that every user can reach."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """Nobody may write there: not even root, for whom nothing is read-only, and who is another user meanwhile."""
    mode, user = path.stat().st_mode, os.geteuid()
    path.chmod(mode & ~0o222)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        path.chmod(mode)
