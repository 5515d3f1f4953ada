"""One sender for an account on one machine."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from keeper.coordination.file_lock import FileLock
from keeper.domain.errors import MandateLost, UsageError
from keeper.domain.events import Event, LeadershipGained, LeadershipLost
from keeper.ports import Account
from tests.support.clock import LoopClock

pytestmark = pytest.mark.looptime

ACCOUNT = Account("evm", 1, "0xAb")
FILE = "pyth-keeper-1-0xab.lock"
MakeLock = Callable[..., FileLock]


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def make(tmp_path: Path, events: list[Event]) -> MakeLock:
    def lock(*, waits: bool = True) -> FileLock:
        return FileLock("evm", tmp_path, waits=waits, clock=LoopClock(), emit=events.append)

    return lock


async def test_the_second_stands_by_until_the_first_lets_go(make: MakeLock, events: list[Event]) -> None:
    first, second = make(), make()
    await first.gain(ACCOUNT)
    waiting = asyncio.create_task(second.gain(ACCOUNT))
    await asyncio.sleep(60)
    assert not waiting.done()
    await first.release()
    async with asyncio.timeout(1):
        await waiting
    second.assure()
    assert events == [
        LeadershipGained("evm", "1-0xab", 1),
        LeadershipLost("evm", "1-0xab", 1, "given back", planned=True),
        LeadershipGained("evm", "1-0xab", 2),
    ]
    await second.release()


async def test_one_that_does_not_wait_is_refused(make: MakeLock) -> None:
    first, second = make(), make(waits=False)
    await first.gain(ACCOUNT)
    with pytest.raises(UsageError, match="another keeper on this machine sends with the account 0xAb on chain 1"):
        await second.gain(ACCOUNT)
    await first.release()


async def test_accounts_do_not_disturb_one_another(make: MakeLock) -> None:
    first, second = make(), make(waits=False)
    await first.gain(ACCOUNT)
    await second.gain(Account("evm", 2, "0xAb"))
    await first.release()
    await second.release()


async def test_a_lock_that_was_taken_away_is_over(make: MakeLock, tmp_path: Path, events: list[Event]) -> None:
    lock = make()
    await lock.gain(ACCOUNT)
    shutil.rmtree(tmp_path)
    with pytest.raises(MandateLost):
        lock.assure()
    async with asyncio.timeout(1):
        await lock.lost()
    assert isinstance(events[-1], LeadershipLost)


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    lock = FileLock("evm", tmp_path / "none", waits=True, clock=LoopClock(), emit=lambda _: None)
    with pytest.raises(UsageError, match="set TMPDIR"):
        await lock.gain(ACCOUNT)


async def test_who_was_overtaken_from_another_machine_is_refused_from_then_on(
    make: MakeLock, events: list[Event]
) -> None:
    lock = make()
    await lock.gain(ACCOUNT)
    lock.overtaken("another keeper has begun to send")
    await lock.lost()
    assert events[-1] == LeadershipLost("evm", "1-0xab", 1, "another keeper has begun to send", planned=False)
    with pytest.raises(UsageError, match=r"another keeper has begun to send: keepers that share a journal have to"):
        await lock.gain(ACCOUNT)


async def test_what_a_lock_file_holds_that_is_no_number_refuses_nobody(make: MakeLock, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("garbage")
    lock = make(waits=False)
    await lock.gain(ACCOUNT)
    assert lock.status().epoch == 1
    await lock.release()


async def test_a_lock_file_is_for_keepers_of_other_users_too(make: MakeLock, tmp_path: Path) -> None:
    lock = make()
    await lock.gain(ACCOUNT)
    await lock.release()
    file = tmp_path / FILE
    assert file.stat().st_mode & 0o777 == 0o666


async def test_a_lock_in_use_does_not_grow_old(make: MakeLock, tmp_path: Path) -> None:
    lock = make()
    await lock.gain(ACCOUNT)
    file = tmp_path / FILE
    os.utime(file, (0, 0))
    lock.assure()
    assert file.stat().st_mtime > 0
    await lock.release()
