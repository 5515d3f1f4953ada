"""A keeper takes over from one that was killed, without its journal: what that one left in flight lands first."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from keeper.lab.anvil import Anvil
from tests.support.crash_world import PATIENCE_S, CrashWorld, crash_world, kill
from tests.support.node import Node
from tests.support.waiting import wait_until

STANDS_BY = {"COORDINATION": "file"}


SLOW = 1
"""Ethereum, whose blocks are known to be twelve seconds apart: a successor has 24 s of patience, and two elsewhere."""


@pytest.fixture
async def world(
    anvil_binary: Path,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    request: pytest.FixtureRequest,
) -> AsyncIterator[CrashWorld]:
    url = f"sqlite:///{tmp_path}/journal.db"
    chain_id = getattr(request, "param", 31337)
    async with (
        Anvil(anvil_binary, chain_id=chain_id) as anvil,
        Node(anvil.url) as node,
        crash_world(anvil, node, journal_url=url, folder=tmp_path, record=record_property) as world,
    ):
        world.environ["CHAIN_ID"] = str(chain_id)
        yield world


@pytest.mark.parametrize("world", [SLOW], indirect=True)
async def test_what_waits_in_the_pool_while_mining_stalls_lands_and_is_not_paid_for_again(
    world: CrashWorld, tmp_path: Path
) -> None:
    another = {"JOURNAL_URL": f"sqlite:///{tmp_path}/another.db"}
    async with world.settled_keeper(**STANDS_BY) as first, world.keeper(**STANDS_BY, **another) as successor:
        await world.mine_at_once(wanted=False)
        await world.jump()
        await wait_until(lambda: len(first.told("push_sent")) == 2, timeout_s=PATIENCE_S)
        (left,) = [each["hash"] for each in await world.pooled()]
        await kill(first)
        await wait_until(lambda: successor.told("others_in_flight"), timeout_s=PATIENCE_S)
        assert successor.told("others_in_flight")[0]["nonces"] == [world.first_nonce + 1]
        await world.mine()
        assert await world.block_hash_of(left)
        await world.mine_at_once(wanted=True)
        await world.jump(1)
        await wait_until(lambda: world.is_fresh(1), timeout_s=PATIENCE_S)
        await wait_until(lambda: successor.told("push_confirmed"), timeout_s=PATIENCE_S)
        assert [sent["nonce"] for sent in successor.told("push_sent")] == [world.first_nonce + 2]
        assert await world.is_fresh()
    assert await world.mined() == 3


async def test_what_waits_for_too_long_is_outbid(world: CrashWorld, tmp_path: Path) -> None:
    another = {"JOURNAL_URL": f"sqlite:///{tmp_path}/another.db"}
    async with world.settled_keeper(**STANDS_BY) as first, world.keeper(**STANDS_BY, **another) as successor:
        await world.mine_at_once(wanted=False)
        await world.jump()
        await wait_until(lambda: len(first.told("push_sent")) == 2, timeout_s=PATIENCE_S)
        (left,) = [each["hash"] for each in await world.pooled()]
        await kill(first)
        await wait_until(lambda: successor.told("push_sent"), timeout_s=PATIENCE_S)
        assert successor.told("others_in_flight")
        assert [sent["nonce"] for sent in successor.told("push_sent")] == [world.first_nonce + 1]
        await world.mine_at_once(wanted=True)
        await world.mine()
        await wait_until(world.is_fresh, timeout_s=PATIENCE_S)
        assert await world.block_hash_of(left) is None
    assert await world.mined() == 2
