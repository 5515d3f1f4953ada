"""Keepers with one account on one machine: real processes, one chain."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from keeper.lab.anvil import DEV_ADDRESS, Anvil
from tests.support.crash_world import PATIENCE_S, QUICK, CrashWorld, crash_world, kill
from tests.support.keeper_process import KEEPER
from tests.support.node import Node
from tests.support.waiting import wait_until

STANDS_BY = {"COORDINATION": "file"}


@pytest.fixture
async def world(
    anvil: Anvil, node: Node, tmp_path: Path, record_property: Callable[[str, object], None]
) -> AsyncIterator[CrashWorld]:
    url = f"sqlite:///{tmp_path}/journal.db"
    async with crash_world(anvil, node, journal_url=url, folder=tmp_path, record=record_property) as world:
        yield world


async def second(world: CrashWorld, tmp_path: Path, **settings: str) -> tuple[int, str]:
    """Exit code and complaint of another keeper, with a journal of its own."""
    folder = tmp_path / "second"
    folder.mkdir()
    process = await asyncio.create_subprocess_exec(
        KEEPER,
        "run",
        env=world.environ | QUICK | settings,
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, complaint.decode()


async def test_a_second_keeper_with_the_same_account_is_refused(world: CrashWorld, tmp_path: Path) -> None:
    async with world.settled_keeper() as first:
        code, complaint = await second(world, tmp_path)
        assert code == 2
        assert complaint.startswith("keeper: another keeper on this machine sends with the account")
        assert DEV_ADDRESS in complaint
        assert "COORDINATION=file" in complaint
        await world.jump()
        await wait_until(world.is_fresh, timeout_s=PATIENCE_S)
        assert first.process.returncode is None
    await world.assert_books_match()


async def test_one_that_was_killed_is_back_at_once(world: CrashWorld) -> None:
    async with world.settled_keeper() as first:
        await kill(first)
    async with world.keeper():
        await world.jump()
        await wait_until(world.is_fresh, timeout_s=PATIENCE_S)
    await world.assert_books_match()


async def test_one_that_stands_by_takes_over_from_one_that_was_killed(world: CrashWorld) -> None:
    async with world.settled_keeper(**STANDS_BY) as first, world.keeper(**STANDS_BY) as standby:
        assert not standby.told("leadership_gained")
        before = await world.mined()
        await kill(first)
        began = time.monotonic()
        await wait_until(lambda: standby.told("leadership_gained"), timeout_s=PATIENCE_S)
        world.record("takeover_s", round(time.monotonic() - began, 3))
        await world.jump()
        await wait_until(world.is_fresh, timeout_s=PATIENCE_S)
        assert await world.mined() == before + 1
    await world.assert_books_match()
