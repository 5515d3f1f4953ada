"""The document of /status."""

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from keeper.domain.budget import Allowance, SpendLimit, SpendMode
from keeper.domain.orders import Pause
from keeper.domain.price import Price
from keeper.domain.status import KeeperStatus, SourceState, SpendStatus
from keeper.server.status import status_view
from keeper.server.views import StatusView
from tests.support.status import ACCOUNT, BTC, CONTRACT, KEEPER, NOW, feed_id, with_feeds, with_network, with_source


async def document(status: KeeperStatus = KEEPER) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(await status_view(status)))
    return body


async def test_tells_of_the_process() -> None:
    told = await document()
    del told["sources"], told["networks"]
    assert told == {
        "version": "0.1.0",
        "now": NOW,
        "started_at": NOW - 3_600,
        "uptime_s": 3_600,
        "dry_run": False,
        "stopping": False,
        "health": "healthy",
        "problems": {},
        "config": {"trouble": "", "needs_restart": []},
    }


async def test_tells_of_each_source() -> None:
    assert (await document())["sources"] == [
        {
            "name": "hermes",
            "state": "streaming",
            "connected": True,
            "detail": "",
            "last_event_at": NOW - 0.25,
            "last_event_age_s": 0.25,
            "events": 4_321,
            "reconnects": 2,
        }
    ]


async def test_tells_of_each_network() -> None:
    (network,) = (await document(with_network(pause=Pause("alice", NOW - 60))))["networks"]
    del network["feeds"]
    assert network == {
        "name": "devnet",
        "chain_id": 31_337,
        "contract": CONTRACT,
        "account": ACCOUNT,
        "dry_run": False,
        "ready": True,
        "detail": "",
        "paused": {"by": "alice", "since": NOW - 60},
        "leadership": {"held": True, "shard": "", "holder": "", "epoch": 0, "since": None, "trouble": ""},
        "following": "polling",
        "block": 77,
        "balance": {"wei": "1500000000000000000", "native": "1.5"},
        "nonce": 12,
        "in_flight": 1,
        "consecutive_failures": 0,
        "pushes": {
            "confirmed": 10,
            "nothing_newer": 1,
            "lost_race": 0,
            "reverted": 0,
            "dropped": 0,
            "superseded": 0,
            "cancelled": 0,
            "unresolved": 0,
            "failed": 0,
            "held_by_budget": 0,
        },
        "shadow": None,
        "replacements": 3,
        "spent": {
            "gas": {"wei": "123456789000000", "native": "0.000123456789"},
            "update_fees": {"wei": "11", "native": "0.000000000000000011"},
            "total": {"wei": "123456789000011", "native": "0.000123456789000011"},
        },
        "in_policy": {"since_start_percent": "99.9300", "last_hour_percent": "100.0000"},
        "spending": {
            "mode": "normal",
            "limit": None,
            "today": {"wei": "20000000000000", "native": "0.00002"},
            "daily_budget": {"wei": "100000000000000000", "native": "0.1"},
            "runway_hours": 24.1,
            "fee_cap_gwei": "41.5",
            "tip_gwei": "1.5",
        },
        "last_push_at": NOW - 11.5,
        "newest_push": 12,
        "final_push": 10,
        "sources": [{"source": "hermes", "state": "trusted", "detail": ""}],
        "signers": {"named_by": "contract", "number": 1, "signers": 5, "quorum": 3, "detail": ""},
        "endpoints": [
            {
                "name": "rpc-1",
                "healthy": True,
                "state": "healthy",
                "detail": "",
                "latency_ms": 12.346,
                "lag_blocks": 0,
            },
            {
                "name": "rpc-2",
                "healthy": True,
                "state": "half_open",
                "detail": "",
                "latency_ms": None,
                "lag_blocks": 1,
            },
        ],
        "rpc_calls": {"eth_sendRawTransaction": 11, "eth_call": 3},
    }


async def test_tells_of_each_feed() -> None:
    bitcoin, new = (await document())["networks"][0]["feeds"]
    assert bitcoin == {
        "id": feed_id(1),
        "alias": "BTC/USD",
        "source": {
            "price": "6140993501000",
            "conf": "3287868567",
            "expo": -8,
            "value": "61409.93501000",
            "publish_time": 1_759_999_999,
            "age_s": 1.25,
        },
        "on_chain": {
            "price": "6134859000000",
            "conf": "3100000000",
            "expo": -8,
            "value": "61348.59000000",
            "publish_time": 1_759_999_988,
            "age_s": 12.25,
        },
        "deviation_percent": "0.0999",
        "age_s": 12.25,
        "verdict": "due",
        "reason": "deviation",
        "last_push": {"at": 1_759_999_988.75, "outcome": "confirmed"},
        "out_of_policy_s": 2.5,
        "rival_writes": 3,
        "state": "ok",
        "deviation_threshold_percent": "0.5000",
        "heartbeat_s": 60,
    }
    assert new == {
        "id": feed_id(2),
        "alias": "NEW/USD",
        "source": None,
        "on_chain": None,
        "deviation_percent": None,
        "age_s": None,
        "verdict": "hold",
        "reason": "no_source_price",
        "last_push": None,
        "out_of_policy_s": 0.0,
        "rival_writes": 0,
        "state": "no_price",
        "deviation_threshold_percent": None,
        "heartbeat_s": None,
    }


@pytest.mark.parametrize("expo", [2**31 - 1, -(2**31)])
async def test_survives_a_hostile_exponent(expo: int) -> None:
    feed = replace(BTC, source=Price(price=2**63 - 1, conf=0, expo=expo, publish_time=2**63 - 1), deviation_ppm=None)
    (network,) = (await document(with_network(feeds=(feed,))))["networks"]
    assert network["feeds"][0]["source"]["value"] == f"9223372036854775807e{expo}"


async def test_names_the_components_that_are_not_healthy() -> None:
    told = await document(with_source(state=SourceState.POLLING, connected=False, detail="connection refused"))
    assert told["health"] == "degraded"
    assert told["problems"] == {"source:hermes": "is polled, no stream is open: connection refused"}


async def test_tells_nothing_of_a_chain_that_was_not_read() -> None:
    told = await document(
        with_network(ready=False, chain_id=None, block=None, balance=None, nonce=None, last_push_at=None, feeds=())
    )
    (network,) = told["networks"]
    unknown = ("chain_id", "block", "balance", "nonce", "last_push_at")
    assert {key: network[key] for key in unknown} == dict.fromkeys(unknown)


async def test_tells_which_limit_holds_and_nothing_of_what_is_not_known() -> None:
    spent = Allowance(SpendMode.HEARTBEAT_ONLY, SpendLimit.DAILY_BUDGET)
    (network,) = (await document(with_network(spending=SpendStatus(allowance=spent))))["networks"]
    assert network["spending"] == {
        "mode": "heartbeat_only",
        "limit": "daily_budget",
        "today": {"wei": "0", "native": "0"},
        "daily_budget": None,
        "runway_hours": None,
        "fee_cap_gwei": None,
        "tip_gwei": None,
    }


async def test_can_be_read_back() -> None:
    view = await status_view(KEEPER)
    assert msgspec.json.decode(msgspec.json.encode(view), type=StatusView) == view


async def test_lets_the_event_loop_turn_while_feeds_are_many() -> None:
    turns = 0
    rendering = asyncio.create_task(status_view(with_feeds(2_000)))
    while not rendering.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 2_000 / 50
