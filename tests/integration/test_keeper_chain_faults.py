"""A keeper whose chain misbehaves, or whose key somebody else uses: what was due lands, once, and nothing is stuck."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keeper.lab.anvil import DEV_ADDRESS, Anvil
from tests.support.fault_world import PATIENCE_S, FaultWorld, Record, fault_world
from tests.support.faults import GWEI, blocks_coming, mine_for_every_transaction, over, rival
from tests.support.keeper_process import RunningKeeper
from tests.support.node import Node
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

STALL_S = 3.0
A_COIN = 10**18
BOTH = pytest.mark.parametrize("transport", ["http", "ws"])


@pytest.fixture
async def world(anvil: Anvil, node: Node, tmp_path: Path, record_property: Record) -> AsyncIterator[FaultWorld]:
    async with fault_world(anvil, node, tmp_path, record_property) as built:
        yield built


async def confirmed(keeper: RunningKeeper, pushes: int) -> None:
    """So many pushes are."""
    await wait_until(lambda: len(keeper.told("push_confirmed")) >= pushes, timeout_s=PATIENCE_S)


@BOTH
async def test_mining_stalls_and_is_resumed(world: FaultWorld, transport: str) -> None:
    over(world, transport)
    async with world.keeper() as keeper:
        await world.node.request("evm_setAutomine", False)
        await world.jump()
        await wait_until(world.waiting)
        await asyncio.sleep(STALL_S)
        await world.jump()
        assert len(await world.waiting()) == 1
        assert not any(line["replaces"] for line in keeper.told("push_sent"))
        await mine_for_every_transaction(world)
        world.record("recovery_s", await world.price_lands())


@BOTH
async def test_the_base_fee_rises_fifty_times_over_what_waits(world: FaultWorld, transport: str) -> None:
    over(world, transport)
    async with world.keeper() as keeper:
        await world.node.request("evm_setAutomine", False)
        await world.jump()
        await wait_until(world.waiting)
        await world.jump()
        async with blocks_coming(world, base_fee=50 * GWEI):
            world.record("recovery_s", await world.price_lands())
        await wait_until(lambda: any(line["replaces"] for line in keeper.told("push_sent")), timeout_s=PATIENCE_S)
        await mine_for_every_transaction(world)


async def test_what_is_late_is_only_sent_once_more_where_nothing_is_to_be_replaced(world: FaultWorld) -> None:
    async with world.keeper(REPLACE_AFTER_BLOCKS="0", RESEND_AFTER_MS="5000") as keeper:
        await world.node.request("evm_setAutomine", False)
        await world.jump()
        await wait_until(world.waiting)
        (lost,) = await world.waiting()
        await world.node.request("anvil_dropTransaction", lost)
        await world.node.request("anvil_mine", "0x4")
        await world.jump()
        await wait_until(world.waiting, timeout_s=PATIENCE_S)
        assert await world.waiting() == [lost]
        assert not any(line["replaces"] for line in keeper.told("push_sent"))
        await mine_for_every_transaction(world)
        await world.price_lands()


async def test_fees_are_above_the_cap_for_a_while(world: FaultWorld) -> None:
    async with world.keeper(MAX_FEE_GWEI="4") as keeper:
        await world.node.request("evm_setAutomine", False)
        await world.jump()
        await wait_until(world.waiting)
        async with blocks_coming(world, base_fee=50 * GWEI):
            await wait_until(lambda: keeper.told("fee_cap_reached"), timeout_s=PATIENCE_S)
            assert len(keeper.told("push_sent")) == 2
        async with blocks_coming(world, base_fee=GWEI):
            world.record("recovery_s", await world.price_lands())
        await mine_for_every_transaction(world)


async def test_fees_are_above_the_cap_when_something_falls_due(world: FaultWorld) -> None:
    async with world.keeper(MAX_FEE_GWEI="4", MONITORING_INTERVAL_MS="1000"):
        async with blocks_coming(world, base_fee=50 * GWEI):
            await world.jump()
            await asyncio.sleep(STALL_S)
        async with blocks_coming(world, base_fee=GWEI):
            world.record("recovery_s", await world.price_lands())
        await mine_for_every_transaction(world)


@BOTH
async def test_a_rival_has_used_the_nonce(world: FaultWorld, transport: str) -> None:
    over(world, transport)
    async with world.keeper():
        await rival(world, await world.mined())
        await world.jump()
        world.record("recovery_s", await world.price_lands())


@pytest.mark.parametrize("fee", [5 * GWEI, 1000 * GWEI], ids=["cheap", "beyond the cap"])
async def test_a_rival_waits_at_the_nonce(world: FaultWorld, fee: int) -> None:
    async with world.keeper():
        await world.node.request("evm_setAutomine", False)
        theirs = await rival(world, await world.mined(), fee=fee)
        await world.jump()
        if fee == 5 * GWEI:
            await wait_until(lambda: _only_ours_waits(world), timeout_s=PATIENCE_S)
            world.strangers.remove(theirs)
        else:
            await asyncio.sleep(STALL_S)
        await mine_for_every_transaction(world)
        world.record("recovery_s", await world.price_lands())


async def _only_ours_waits(world: FaultWorld) -> bool:
    waiting = await world.waiting()
    return bool(waiting) and not world.strangers & set(waiting)


@BOTH
async def test_a_rival_takes_the_place_of_what_waits(world: FaultWorld, transport: str) -> None:
    over(world, transport)
    async with world.keeper() as keeper:
        await world.node.request("evm_setAutomine", False)
        await world.jump()
        await wait_until(world.waiting)
        await rival(world, await world.mined(), fee=100 * GWEI)
        await mine_for_every_transaction(world)
        world.record("recovery_s", await world.price_lands())
        await world.node.request("anvil_mine", "0x4")
        await wait_until(lambda: keeper.told("push_superseded"), timeout_s=PATIENCE_S)


async def test_a_rival_waits_beyond_a_gap(world: FaultWorld) -> None:
    async with world.keeper():
        await rival(world, await world.mined() + 2)
        for feed in range(3):
            await world.jump(feed)
            world.record(f"recovery_{feed}_s", await world.price_lands(feed))


@BOTH
async def test_the_node_drops_what_waits(world: FaultWorld, transport: str) -> None:
    over(world, transport)
    async with world.keeper():
        await world.node.request("evm_setAutomine", False)
        await world.jump()
        await wait_until(world.waiting)
        (dropped,) = await world.waiting()
        await world.node.request("anvil_dropTransaction", dropped)
        started = time.monotonic()
        await wait_until(world.waiting, timeout_s=PATIENCE_S)
        world.record("recovery_s", round(time.monotonic() - started, 2))
        assert await world.waiting() == [dropped]
        await mine_for_every_transaction(world)
        await world.price_lands()


@BOTH
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
async def test_a_push_is_reorganised_away(world: FaultWorld, transport: str, depth: int) -> None:
    over(world, transport)
    async with world.keeper(CONFIRMATIONS="12") as keeper:
        async with blocks_coming(world):
            await world.jump()
            await confirmed(keeper, 2)
            mined_in = await _block_of(world, keeper.told("push_confirmed")[1]["tx_hash"])
            await wait_until(lambda: _is_deep(world, mined_in + depth - 1), timeout_s=PATIENCE_S)
        await world.node.request("anvil_reorg", await world.blocks() - mined_in + 1, [])
        assert not await world.is_fresh()
        before = await world.blocks()
        async with blocks_coming(world):
            world.record("recovery_s", await world.price_lands())
            world.record("blocks", await world.blocks() - before)
            await wait_until(lambda: world.sees_the_chain(keeper), timeout_s=PATIENCE_S)
        await wait_until(lambda: keeper.told("push_orphaned"), timeout_s=PATIENCE_S)
        await mine_for_every_transaction(world)


async def _block_of(world: FaultWorld, tx_hash: str) -> int:
    return int((await world.node.request("eth_getTransactionReceipt", tx_hash))["blockNumber"], 16)


async def _is_deep(world: FaultWorld, block: int) -> bool:
    return await world.blocks() >= block


@BOTH
async def test_the_chain_goes_back_by_several_pushes(world: FaultWorld, transport: str) -> None:
    over(world, transport)
    async with world.keeper(CONFIRMATIONS="12") as keeper:
        snapshot = await world.node.request("evm_snapshot")
        for pushed in range(2, 5):
            await world.jump(pushed % 3)
            await world.price_lands(pushed % 3)
            await confirmed(keeper, pushed)
        await world.node.request("evm_revert", snapshot)
        assert not await world.is_fresh(2)
        async with blocks_coming(world):
            for feed in range(3):
                world.record(f"recovery_{feed}_s", await world.price_lands(feed))
            await wait_until(lambda: world.sees_the_chain(keeper), timeout_s=PATIENCE_S)


async def test_the_account_runs_dry_and_is_filled_again(world: FaultWorld) -> None:
    async with world.keeper(MONITORING_INTERVAL_MS="1000") as keeper:
        await world.node.request("anvil_setBalance", DEV_ADDRESS, "0x0")
        await world.jump()
        await wait_until(
            lambda: keeper.told("push_dropped") or keeper.told("push_held_by_budget"), timeout_s=PATIENCE_S
        )
        await asyncio.sleep(STALL_S)
        await world.node.request("anvil_setBalance", DEV_ADDRESS, hex(A_COIN))
        world.record("recovery_s", await world.price_lands())
