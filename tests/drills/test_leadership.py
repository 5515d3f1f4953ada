"""Three keepers, one account: whatever happens to the one that sends, another goes on, and nothing is sent twice."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from keeper.lab.anvil import DEV_ADDRESS
from tests.support.kube.fleet import PATIENCE_S, Fleet, Replica
from tests.support.kube.stage import CADENCE_S, Stage
from tests.support.postgres import PostgresProcess
from tests.support.verdict import assert_books_match
from tests.support.waiting import wait_until

LEASE_S = 5
LONG_LEASE_S = 30
"""Long enough for an API server to start in."""
SLACK_S = 1.0
BEFORE, AFTER = 3, 4
"""Prices on chain before a fault, and after it is over."""

Fault = Callable[[Replica], Awaitable[None]]


@asynccontextmanager
async def three(stage: Stage, lease_s: int = LEASE_S, **settings: str) -> AsyncIterator[tuple[Fleet, Replica]]:
    """Three keepers that keep prices fresh, and the one that leads; all have ended behind the block."""
    async with stage.fleet(lease_s, **settings) as fleet:
        started = time.time()
        await fleet.start(3)
        leader = await fleet.settled_leader()
        await stage.writes(BEFORE, since=started)
        yield fleet, leader


async def other_leader(fleet: Fleet, before: Replica) -> Replica:
    """Who leads after another one did."""
    await wait_until(lambda: fleet.leader() not in {None, before}, timeout_s=PATIENCE_S)
    return await fleet.settled_leader()


async def kill(leader: Replica) -> None:
    await leader.kill()


async def hang(leader: Replica) -> None:
    leader.api.fall_silent()


async def refuse(leader: Replica) -> None:
    await leader.api.stop()


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (kill, "leader killed -9"),
        (hang, "leader hears nothing from the API server"),
        (refuse, "leader cannot reach the API server"),
    ],
    ids=["killed", "hung", "refused"],
)
async def test_another_one_takes_over_within_a_lease_and_a_second(stage: Stage, fault: Fault, name: str) -> None:
    async with three(stage) as (fleet, leader):
        at = time.time()
        await fault(leader)
        successor = await other_leader(fleet, leader)
        since = successor.terms()[-1].since
        takeover_s = await stage.writes(AFTER, since=since) - at
    row = await stage.judge(fleet, name, at=at, takeover_s=takeover_s)
    assert takeover_s <= LEASE_S + SLACK_S
    assert row.gap_s <= LEASE_S + SLACK_S


async def test_one_that_was_cut_off_stops_before_another_begins_and_stands_by_when_it_is_back(stage: Stage) -> None:
    async with three(stage) as (fleet, leader):
        at = time.time()
        await leader.api.stop()
        successor = await other_leader(fleet, leader)
        await leader.api.start()
        await stage.writes(AFTER, since=time.time())
        assert leader.terms()[-1].until < successor.terms()[-1].since
        assert not leader.leads()
        assert fleet.leader() is successor
        status, _ = await leader.keeper.get("/health/ready")
        assert status == 200, "a standby is ready"
    await stage.judge(fleet, "cut off from the API server, and back", at=at)


async def test_one_that_was_frozen_past_its_lease_sends_nothing_when_it_goes_on(stage: Stage) -> None:
    async with three(stage) as (fleet, leader):
        at = time.time()
        leader.freeze()
        successor = await other_leader(fleet, leader)
        takeover_s = await stage.writes(1, since=successor.terms()[-1].since) - at
        await wait_until(lambda: time.time() > at + 1.5 * LEASE_S)
        leader.thaw()
        await wait_until(lambda: not leader.leads(), timeout_s=PATIENCE_S)
        await stage.writes(AFTER, since=time.time())
        assert fleet.leader() is successor
    row = await stage.judge(fleet, "leader frozen for 1.5 leases", at=at, takeover_s=takeover_s, late_writes=1)
    assert takeover_s <= LEASE_S + SLACK_S
    assert row.gap_s <= LEASE_S + SLACK_S


async def test_what_a_killed_one_left_in_the_pool_lands_once(stage: Stage) -> None:
    async with three(stage) as (fleet, leader):
        at = await killed_with_a_transaction_in_the_pool(stage, fleet, leader)
    await stage.judge(fleet, "leader killed -9 with a transaction in the pool", at=at)


async def test_a_journal_that_all_share_is_right_about_what_a_killed_one_left(
    stage: Stage, postgres: PostgresProcess
) -> None:
    url = await postgres.new_database()
    async with three(stage, JOURNAL_URL=url) as (fleet, leader):
        at = await killed_with_a_transaction_in_the_pool(stage, fleet, leader)
    await stage.judge(fleet, "the same, with one journal for all in PostgreSQL", at=at)
    await assert_books_match(stage.node_url, url, DEV_ADDRESS, since_nonce=stage.first_nonce)


async def killed_with_a_transaction_in_the_pool(stage: Stage, fleet: Fleet, leader: Replica) -> float:
    """Kill the leader, and mine again once its successor has sent; returns when it was killed."""
    await stage.node.request("evm_setAutomine", False)
    heard = len(leader.gate.heard)
    await wait_until(lambda: len(leader.gate.heard) > heard, timeout_s=PATIENCE_S)
    at = time.time()
    await leader.kill()
    successor = await other_leader(fleet, leader)
    await wait_until(lambda: successor.gate.heard, timeout_s=PATIENCE_S)
    await stage.node.request("evm_setAutomine", True)
    await stage.node.request("anvil_mine", "0x1")
    await stage.writes(AFTER, since=at)
    return at


async def test_a_restart_of_the_api_server_within_a_lease_changes_nothing(stage: Stage) -> None:
    async with three(stage, LONG_LEASE_S) as (fleet, leader):
        at = time.time()
        await asyncio.to_thread(stage.kube.stop)
        await asyncio.to_thread(stage.kube.start)
        await stage.writes(AFTER, since=time.time())
        assert [term.replica for term in fleet.terms()] == [leader.name]
    row = await stage.judge(fleet, f"API server restarted, lease of {LONG_LEASE_S} s", at=at)
    assert row.gap_s <= SLACK_S


async def test_nobody_sends_while_the_api_server_is_gone_for_longer_than_a_lease(stage: Stage) -> None:
    async with three(stage) as (fleet, leader):
        at = time.time()
        await asyncio.to_thread(stage.kube.stop)
        await wait_until(lambda: not leader.leads(), timeout_s=PATIENCE_S)
        assert leader.terms()[-1].until - at <= LEASE_S
        await asyncio.to_thread(stage.kube.start)
        back = time.time()
        await fleet.settled_leader()
        takeover_s = await stage.writes(AFTER, since=back) - back
    await stage.judge(fleet, "API server gone for longer than a lease; from its return", at=back, takeover_s=takeover_s)
    assert takeover_s <= LEASE_S + SLACK_S


async def test_a_lease_that_is_deleted_is_held_by_one_again(stage: Stage) -> None:
    async with three(stage) as (fleet, leader):
        leases = f"/apis/coordination.k8s.io/v1/namespaces/{stage.account.namespace}/leases"
        (lease,) = (await asyncio.to_thread(stage.kube.request, "GET", leases))["items"]
        at = time.time()
        await asyncio.to_thread(stage.kube.request, "DELETE", f"{leases}/{lease['metadata']['name']}")
        # The term ends; the next one may be its own, and begin before anybody looks.
        await wait_until(lambda: any(not term.is_open for term in leader.terms()), timeout_s=PATIENCE_S)
        since = (await fleet.settled_leader()).terms()[-1].since
        takeover_s = await stage.writes(AFTER, since=since) - at
    await stage.judge(fleet, "Lease deleted", at=at, takeover_s=takeover_s)
    assert takeover_s <= LEASE_S + SLACK_S


async def test_a_rolling_restart_hands_over_within_a_second(stage: Stage) -> None:
    async with three(stage) as (fleet, _):
        at = time.time()
        for old in list(fleet.running):
            await fleet.start()
            await fleet.end(old)
        await stage.writes(AFTER, since=time.time())
    row = await stage.judge(fleet, "rolling restart", at=at, takeover_s=longest_handover_s(fleet, "evm"))
    assert row.takeover_s is not None
    assert row.takeover_s < SLACK_S
    assert row.gap_s <= SLACK_S + CADENCE_S


async def test_accounts_spread_over_replicas_that_come_and_go(stage: Stage) -> None:
    config = await stage.several_accounts()
    networks = [f"net-{number}" for number in range(5)]
    async with stage.fleet(LEASE_S) as fleet:
        await fleet.start(config=config)
        await wait_until(lambda: shares(fleet) == [5], timeout_s=PATIENCE_S)
        at = time.time()
        for _ in range(4):  # on machines of their own they would not take one another's processor as they start
            await fleet.start(config=config)
        await wait_until(lambda: shares(fleet) == [1, 1, 1, 1, 1], timeout_s=PATIENCE_S)
        for replica in fleet.running[2:]:
            await fleet.end(replica)
        await wait_until(lambda: shares(fleet) == [2, 3], timeout_s=PATIENCE_S)
        done = time.time()
        for feed in stage.simulator.feed_ids:
            await stage.writes(2, since=done, feed=feed)
    handover_s = max(longest_handover_s(fleet, network) for network in networks)
    await stage.judge(fleet, "scaled 1 -> 5 -> 2 with five accounts", at=at, takeover_s=handover_s)
    assert handover_s < SLACK_S


def shares(fleet: Fleet) -> list[int]:
    """How many accounts each replica leads."""
    return sorted(len(replica.leads()) for replica in fleet.running)


def longest_handover_s(fleet: Fleet, network: str) -> float:
    """Between the end of a term and the beginning of the next one; the last ends when the fleet does."""
    terms = fleet.terms(network)
    return max((after.since - before.until for before, after in pairwise(terms)), default=0.0)


async def test_what_a_standby_is_asked_for_by_a_signal_goes_out_within_a_second(stage: Stage) -> None:
    quiet = {"MIN_PRICE_CHANGE_PERCENT": "50", "FORCE_UPDATE_INTERVAL_MS": "0", "MAX_STALENESS": "3600"}
    async with stage.fleet(LEASE_S, **quiet) as fleet:
        await fleet.start(2)
        leader = await fleet.settled_leader()
        await wait_until(lambda: leader.keeper.told("push_confirmed"), timeout_s=PATIENCE_S)
        (standby,) = (each for each in fleet.running if each is not leader)
        sent = len(leader.gate.heard)
        at = time.time()
        standby.keeper.signal(signal.SIGUSR1)
        await wait_until(lambda: len(leader.gate.heard) > sent, timeout_s=PATIENCE_S)
        heard, _ = leader.gate.heard[sent]
        assert heard - at < SLACK_S
        assert not standby.gate.heard


async def test_asks_the_api_server_for_just_what_the_role_names(stage: Stage) -> None:
    async with three(stage) as (fleet, leader):
        await fleet.end(leader)
        await other_leader(fleet, leader)
    used = stage.kube.asked_by(stage.account)
    assert used == {(verb, "leases.coordination.k8s.io") for verb in ("list", "create", "update")}
