"""`kill -9` of a real keeper at every step of a push: the next process, over the same journal, makes it good."""

import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from keeper.lab.anvil import Anvil
from tests.support.crash_world import GWEI, PATIENCE_S, CrashWorld, crash_world, kill, locked
from tests.support.gate import Hold
from tests.support.keeper_process import RunningKeeper
from tests.support.node import Node
from tests.support.postgres import PostgresProcess
from tests.support.rival import rival
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

BLOCKS_TO_BE_LATE = 3
"""Blocks that a transaction pays too little for, after which it is replaced."""


@pytest.fixture(params=["sqlite", "postgres"])
async def journal_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journal.db'}"
    server: PostgresProcess = request.getfixturevalue("postgres")
    return await server.new_database()


@pytest.fixture
async def world(
    anvil: Anvil,
    node: Node,
    tmp_path: Path,
    journal_url: str,
    record_property: Callable[[str, object], None],
) -> AsyncIterator[CrashWorld]:
    async with crash_world(anvil, node, journal_url=journal_url, folder=tmp_path, record=record_property) as world:
        yield world


async def told(keeper: RunningKeeper, message: str, times: int) -> None:
    """Wait until its log has so many lines of a kind."""
    await wait_until(lambda: len(keeper.told(message)) >= times, timeout_s=PATIENCE_S)


async def makes_it_good(world: CrashWorld) -> None:
    """A keeper that starts now settles what the last one left, and the books are right."""
    world.gate.hold = Hold.NOTHING
    started = time.monotonic()
    async with world.keeper() as keeper:
        await world.converges(keeper, since=started)
    await world.assert_books_match()


async def test_killed_before_its_transaction_is_in_the_journal(world: CrashWorld) -> None:
    async with world.settled_keeper() as keeper:
        async with locked(world.journal_url):
            await world.jump()
            await told(keeper, "push_planned", 2)
            await kill(keeper)
        assert world.gate.broadcasts == 1
    await makes_it_good(world)
    assert await world.mined() == 2


async def test_killed_before_its_transaction_reaches_a_node(world: CrashWorld) -> None:
    async with world.settled_keeper() as keeper:
        world.gate.hold = Hold.REQUEST
        await world.jump()
        await wait_until(lambda: world.gate.held, timeout_s=PATIENCE_S)
        await kill(keeper)
    assert await world.mined() == 1
    (_, unsent) = await world.attempts()
    await makes_it_good(world)
    assert await world.block_hash_of(unsent), "the bytes in the journal are those that land"
    assert await world.mined() == 2


async def test_killed_before_it_hears_that_a_node_took_its_transaction(world: CrashWorld) -> None:
    async with world.settled_keeper() as keeper:
        await world.mine_at_once(wanted=False)
        world.gate.hold = Hold.ANSWER
        await world.jump()
        await wait_until(lambda: world.gate.held, timeout_s=PATIENCE_S)
        await kill(keeper)
    assert len(await world.pooled()) == 1
    await makes_it_good(world)
    assert await world.mined() == 2


async def test_killed_before_it_hears_that_its_transaction_is_mined(world: CrashWorld) -> None:
    async with world.settled_keeper() as keeper:
        world.gate.hold = Hold.ANSWER
        await world.jump()
        await wait_until(lambda: world.gate.held, timeout_s=PATIENCE_S)
        await kill(keeper)
    assert await world.mined() == 2
    await makes_it_good(world)
    assert await world.mined() == 2, "it is not paid for again"


async def test_killed_while_its_transaction_waits_in_the_pool(world: CrashWorld) -> None:
    async with world.settled_keeper() as keeper:
        await world.mine_at_once(wanted=False)
        await world.jump()
        await told(keeper, "push_sent", 2)
        await kill(keeper)
    assert (await world.states())[-1] in {"pending", "signed"}
    await makes_it_good(world)
    assert await world.mined() == 2


async def test_killed_before_the_receipt_is_in_the_journal(world: CrashWorld) -> None:
    async with world.settled_keeper() as keeper:
        await world.mine_at_once(wanted=False)
        await world.jump()
        await told(keeper, "push_sent", 2)
        await wait_until(partial(_is, world, "pending"), timeout_s=PATIENCE_S)
        async with locked(world.journal_url):
            await world.mine()
            await kill(keeper)
    assert (await world.states())[-1] == "pending"
    await makes_it_good(world)
    assert await world.mined() == 2


async def _is(world: CrashWorld, state: str) -> bool:
    return (await world.states())[-1] == state


@pytest.mark.parametrize("hold", [Hold.REQUEST, Hold.ANSWER], ids=["before", "after"])
async def test_killed_while_it_replaces_a_transaction(world: CrashWorld, hold: Hold) -> None:
    async with world.settled_keeper() as keeper:
        await world.mine_at_once(wanted=False)
        await world.jump()
        await told(keeper, "push_sent", 2)
        world.gate.hold = hold
        for _ in range(BLOCKS_TO_BE_LATE):
            await world.mine(base_fee=20 * GWEI)
        await wait_until(lambda: world.gate.held, timeout_s=PATIENCE_S)
        await kill(keeper)
    assert await world.mined() == 1
    assert len(await world.attempts()) == 3
    await makes_it_good(world)
    assert await world.mined() == 2, "one of them landed"


async def test_killed_before_what_is_mined_is_final(world: CrashWorld) -> None:
    async with world.settled_keeper(CONFIRMATIONS="3") as keeper:
        await kill(keeper)
    assert await world.states() == ["included"]
    async with world.keeper():
        await world.blocks_until(partial(_is, world, "final"))
    await world.assert_books_match()
    assert await world.mined() == 1


async def test_starts_with_an_empty_journal_while_a_transaction_waits_in_the_pool(
    world: CrashWorld, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    async with world.settled_keeper() as keeper:
        await world.mine_at_once(wanted=False)
        await world.jump()
        await told(keeper, "push_sent", 2)
        await kill(keeper)
    forgotten = await world.attempts()
    world.journal_url = await _another_journal(world, tmp_path, request)
    world.first_nonce += 1
    started = time.monotonic()
    async with world.keeper() as keeper:
        await world.converges(keeper, since=started)
    world.strangers = {tx_hash for tx_hash in forgotten[1:] if await world.block_hash_of(tx_hash)}
    await world.assert_books_match()
    assert await world.mined() == 1, "the one in the pool was outbid, and nothing is paid for twice"


async def test_starts_with_an_empty_journal_while_several_wait_of_which_one_cannot_be_outbid(
    world: CrashWorld, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    async with world.settled_keeper() as keeper:
        await kill(keeper)
    await world.mine_at_once(wanted=False)
    rich, *poor = [
        await rival(world.node, world.first_nonce + number, fee=fee * GWEI)
        for number, fee in enumerate((900, 5, 5), start=1)
    ]
    world.journal_url = await _another_journal(world, tmp_path, request)
    world.first_nonce += 1
    async with world.keeper(MAX_IN_FLIGHT="3") as keeper:
        for feed in range(3):
            await world.jump(feed)
        await told(keeper, "push_retried", 1)
        assert {each["hash"] for each in await world.pooled()} >= {rich}, "it is waited for"
        started = time.monotonic()
        await world.converges(keeper, since=started, feeds=range(3))
    world.strangers = {tx_hash for tx_hash in (rich, *poor) if await world.block_hash_of(tx_hash)}
    await world.assert_books_match()
    assert rich in world.strangers


async def _another_journal(world: CrashWorld, folder: Path, request: pytest.FixtureRequest) -> str:
    if world.journal_url.startswith("sqlite"):
        return f"sqlite:///{folder / 'fresh.db'}"
    server: PostgresProcess = request.getfixturevalue("postgres")
    return await server.new_database()
