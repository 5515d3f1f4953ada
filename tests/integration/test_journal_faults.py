"""A journal that fails under a running keeper: it goes on and writes later, or it stops, as it was told to."""

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from keeper.lab.anvil import Anvil
from tests.support.crash_world import PATIENCE_S, CrashWorld, crash_world
from tests.support.keeper_process import KEEPER, RunningKeeper
from tests.support.node import Node
from tests.support.postgres import PostgresProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

JOURNAL = "journal.db"


class Disk(Protocol):
    """Where a journal is, and how to leave no room for it."""

    folder: Path

    def fill(self, keeper: RunningKeeper) -> None: ...

    def free(self, keeper: RunningKeeper) -> None: ...


class LimitedDisk:
    """A limit on the size of the files that the process may write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, keeper: RunningKeeper) -> None:
        resource.prlimit(keeper.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def free(self, keeper: RunningKeeper) -> None:
        resource.prlimit(keeper.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


class TinyDisk:
    """A file system in memory that another file fills.

    A reader keeps the journal open meanwhile: else the keeper, opening it anew, would make room by tidying it up.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, keeper: RunningKeeper) -> None:  # noqa: ARG002 - it is everybody's
        self._reader = sqlite3.connect(self.folder / JOURNAL)
        self._reader.execute("SELECT count(*) FROM keeper_pushes").fetchone()
        with (self.folder / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(2**12))

    def free(self, keeper: RunningKeeper) -> None:  # noqa: ARG002 - it is everybody's
        self._reader.close()
        (self.folder / "filler").unlink()


def _may_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        mounted = os.geteuid() == 0 and _mount(Path(folder))
        if mounted:
            _unmount(Path(folder))
    return mounted


def _mount(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "keeper-journal", str(folder)]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(params=["limited", "tiny"] if _may_mount() else ["limited"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A disk that can be filled; a real one where we may mount one."""
    if request.param == "limited":
        yield LimitedDisk(tmp_path)
        return
    folder = tmp_path / "disk"
    folder.mkdir()
    assert _mount(folder)
    yield TinyDisk(folder)
    _unmount(folder)


@pytest.fixture
async def sqlite_world(
    anvil: Anvil, node: Node, disk: Disk, tmp_path: Path, record_property: Callable[[str, object], None]
) -> AsyncIterator[CrashWorld]:
    url = f"sqlite:///{disk.folder / JOURNAL}"
    async with crash_world(anvil, node, journal_url=url, folder=tmp_path, record=record_property) as world:
        yield world


@pytest.fixture
async def file_world(
    anvil: Anvil, node: Node, tmp_path: Path, record_property: Callable[[str, object], None]
) -> AsyncIterator[CrashWorld]:
    (tmp_path / "journal").mkdir()
    url = f"sqlite:///{tmp_path / 'journal' / JOURNAL}"
    async with crash_world(anvil, node, journal_url=url, folder=tmp_path, record=record_property) as world:
        yield world


@pytest.fixture
async def postgres_world(
    anvil: Anvil,
    node: Node,
    postgres: PostgresProcess,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> AsyncIterator[CrashWorld]:
    url = await postgres.new_database()
    async with crash_world(anvil, node, journal_url=url, folder=tmp_path, record=record_property) as world:
        yield world


async def told(keeper: RunningKeeper, message: str, times: int = 1) -> None:
    """Wait until its log has so many lines of a kind."""
    await wait_until(lambda: len(keeper.told(message)) >= times, timeout_s=PATIENCE_S)


async def one_goes_out_at_a_time(world: CrashWorld, keeper: RunningKeeper, broadcasts: int) -> None:
    """Two feeds are due, more than one push may be in flight, and still only one is."""
    await world.mine_at_once(wanted=False)
    await world.jump(0)
    await told(keeper, "push_sent", broadcasts + 1)
    await world.jump(1)
    await wait_until(partial(_is_due, keeper, world.simulator.feed_ids[1]), timeout_s=PATIENCE_S)
    assert len(await world.pooled()) == 1
    await world.mine()
    await told(keeper, "push_sent", broadcasts + 2)
    assert (await world.mined(), len(await world.pooled())) == (broadcasts + 1, 1)
    await world.mine()
    await world.mine_at_once(wanted=True)


async def _is_due(keeper: RunningKeeper, feed_id: str) -> bool:
    feeds = (await keeper.network())["feeds"]
    return any(feed["id"] == feed_id and feed["verdict"] == "due" for feed in feeds)


async def test_goes_on_one_by_one_while_the_disk_is_full(sqlite_world: CrashWorld, disk: Disk) -> None:
    world = sqlite_world
    async with world.settled_keeper(MAX_IN_FLIGHT="3") as keeper:
        disk.fill(keeper)
        await one_goes_out_at_a_time(world, keeper, broadcasts=1)
        await told(keeper, "push_confirmed", 3)
        await told(keeper, "journal_failed")
        assert "full" in keeper.told("journal_failed")[0]["error"]
        assert len(await world.attempts()) == 1
        freed = time.monotonic()
        disk.free(keeper)
        await told(keeper, "journal_recovered")
        world.record("journal_recovery_s", round(time.monotonic() - freed, 2))
        assert keeper.told("journal_recovered")[0]["lost"] == 0
        await world.converges(keeper, since=freed, feeds=(0, 1))
    await world.assert_books_match()
    assert await world.mined() == 3


async def test_sends_nothing_while_the_disk_is_full_if_told_to_stop(sqlite_world: CrashWorld, disk: Disk) -> None:
    world = sqlite_world
    async with world.settled_keeper(JOURNAL_ON_FAILURE="stop") as keeper:
        disk.fill(keeper)
        await world.jump()
        await told(keeper, "journal_failed")
        await told(keeper, "push_retried", 3)
        assert world.gate.broadcasts == 1
        freed = time.monotonic()
        disk.free(keeper)
        await world.converges(keeper, since=freed)
    await world.assert_books_match()
    assert await world.mined() == 2


async def test_goes_on_one_by_one_while_the_server_is_down(
    postgres_world: CrashWorld, postgres: PostgresProcess
) -> None:
    world = postgres_world
    async with world.settled_keeper(MAX_IN_FLIGHT="3") as keeper:
        with stopped(postgres):
            await one_goes_out_at_a_time(world, keeper, broadcasts=1)
            await told(keeper, "push_confirmed", 3)
            await told(keeper, "journal_failed")
        back = time.monotonic()
        await told(keeper, "journal_recovered")
        world.record("journal_recovery_s", round(time.monotonic() - back, 2))
        assert keeper.told("journal_recovered")[0]["lost"] == 0
        await world.converges(keeper, since=back, feeds=(0, 1))
    await world.assert_books_match()
    assert await world.mined() == 3


async def test_sends_nothing_while_the_server_is_down_if_told_to_stop(
    postgres_world: CrashWorld, postgres: PostgresProcess
) -> None:
    world = postgres_world
    async with world.settled_keeper(JOURNAL_ON_FAILURE="stop") as keeper:
        with stopped(postgres):
            await world.jump()
            await told(keeper, "journal_failed")
            await told(keeper, "push_retried", 3)
            assert world.gate.broadcasts == 1
        await world.converges(keeper, since=time.monotonic())
    await world.assert_books_match()
    assert await world.mined() == 2


@pytest.mark.parametrize("setting", ["continue", "stop"])
async def test_a_server_that_restarts_while_a_transaction_is_out_loses_nothing_of_it(
    postgres_world: CrashWorld, postgres: PostgresProcess, setting: str
) -> None:
    world = postgres_world
    async with world.settled_keeper(JOURNAL_ON_FAILURE=setting) as keeper:
        await world.mine_at_once(wanted=False)
        await world.jump()
        await told(keeper, "push_sent", 2)
        with stopped(postgres, how=signal.SIGQUIT):
            await world.mine()
            await told(keeper, "journal_failed")
        await world.converges(keeper, since=time.monotonic())
    await world.assert_books_match()
    assert await world.mined() == 2


@contextmanager
def stopped(postgres: PostgresProcess, *, how: signal.Signals = signal.SIGINT) -> Iterator[None]:
    """Within the block the server is down."""
    postgres.stop(how)
    try:
        yield
    finally:
        postgres.start()


async def test_goes_on_while_the_journal_is_read_only(file_world: CrashWorld) -> None:
    world = file_world
    async with world.settled_keeper():
        pass
    with read_only(world.folder / "journal"):
        async with world.keeper(under=BOUND) as keeper:
            await told(keeper, "journal_failed")
            assert "the right to write" in keeper.told("journal_failed")[0]["error"]
            await world.jump()
            await told(keeper, "push_confirmed")
            permit(world.folder / "journal")
            permitted = time.monotonic()
            await told(keeper, "journal_recovered")
            await world.converges(keeper, since=permitted)
    await world.assert_books_match()
    assert await world.mined() == 2


async def test_does_not_start_with_a_read_only_journal_if_told_to_stop(file_world: CrashWorld) -> None:
    world = file_world
    async with world.settled_keeper():
        pass
    environ = world.environ | {"JOURNAL_URL": world.journal_url, "JOURNAL_ON_FAILURE": "stop"}
    with read_only(world.folder / "journal"):
        keeper = await asyncio.create_subprocess_exec(
            *BOUND, KEEPER, "run", env=environ, cwd=world.folder, stdout=DEVNULL, stderr=PIPE
        )
        async with asyncio.timeout(PATIENCE_S):
            _, errors = await keeper.communicate()
    assert keeper.returncode == 1
    assert "the right to write" in errors.decode()
    assert "Traceback" not in errors.decode()
    assert world.gate.broadcasts == 1


BOUND = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
"""In front of a command: makes root heed the rights of files as everybody else does."""


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Within the block, or until it is permitted, a folder and its files cannot be written."""
    for file in folder.iterdir():
        file.chmod(0o400)
    folder.chmod(0o500)
    try:
        yield
    finally:
        permit(folder)


def permit(folder: Path) -> None:
    """A folder and its files can be written."""
    folder.chmod(0o700)
    for file in folder.iterdir():
        file.chmod(0o600)
