"""What counts as ill, and what does not."""

from dataclasses import replace

import pytest

from keeper.domain.budget import Allowance, SpendLimit, SpendMode
from keeper.domain.orders import Pause
from keeper.domain.policy import HELD, Reason
from keeper.domain.status import EndpointState, EndpointStatus, KeeperStatus, SourceState, SpendStatus
from keeper.server.health import MAX_EVENT_AGE_S, Component, Level, health, readiness
from tests.support.status import BTC, KEEPER, NETWORK, NOW, SOURCE, with_network, with_source

UP, DOWN = EndpointStatus("a"), EndpointStatus("b", EndpointState.RESTING, "timed out")
LOST = replace(SOURCE, name="second", state=SourceState.DOWN, connected=False, detail="connection refused")

PAUSE = Pause("alice", NOW)
BROKE = SpendStatus(allowance=Allowance(SpendMode.STOPPED, SpendLimit.LOW_BALANCE))
OVER_BUDGET = SpendStatus(allowance=Allowance(SpendMode.HEARTBEAT_ONLY, SpendLimit.DAILY_BUDGET))


@pytest.mark.parametrize(
    ("status", "level", "component", "why"),
    [
        (KEEPER, Level.HEALTHY, "source:hermes", "streams"),
        (KEEPER, Level.HEALTHY, "network:devnet", "is kept fresh"),
        (KEEPER, Level.HEALTHY, "rpc:devnet/rpc-1", "answers"),
        (with_source(state=SourceState.POLLING, connected=False), Level.DEGRADED, "source:hermes", "polled"),
        (with_source(state=SourceState.SILENT), Level.UNHEALTHY, "source:hermes", "no event comes"),
        (
            with_source(state=SourceState.UNAUTHORIZED, connected=False, detail="401 from the stream"),
            Level.UNHEALTHY,
            "source:hermes",
            "refuses the API key: 401 from the stream",
        ),
        (
            with_source(state=SourceState.CONNECTING, connected=False, last_event_at=None),
            Level.UNHEALTHY,
            "source:hermes",
            "is connecting",
        ),
        (with_source(last_event_at=None), Level.UNHEALTHY, "source:hermes", "no price yet"),
        (
            with_source(last_event_at=NOW - MAX_EVENT_AGE_S - 1),
            Level.UNHEALTHY,
            "source:hermes",
            f"has delivered no price for {MAX_EVENT_AGE_S + 1} s",
        ),
        (with_source(last_event_at=NOW - MAX_EVENT_AGE_S), Level.HEALTHY, "source:hermes", "streams"),
        (replace(KEEPER, sources=(SOURCE, LOST)), Level.DEGRADED, "source:second", "connection refused"),
        (replace(KEEPER, sources=()), Level.UNHEALTHY, "network:devnet", ""),
        (
            with_network(ready=False, detail="no endpoint answers"),
            Level.UNHEALTHY,
            "network:devnet",
            "is not ready: no endpoint answers",
        ),
        (with_network(detail="read timed out"), Level.DEGRADED, "network:devnet", "read timed out"),
        (
            with_network(consecutive_failures=4, detail="reverted"),
            Level.DEGRADED,
            "network:devnet",
            "failed pushes in a row: 4: reverted",
        ),
        (with_network(consecutive_failures=5), Level.UNHEALTHY, "network:devnet", "failed pushes in a row: 5"),
        (with_network(dry_run=True), Level.HEALTHY, "network:devnet", "dry run"),
        (with_network(spending=BROKE), Level.UNHEALTHY, "network:devnet", "pay for a push, send coins (account 0x"),
        (with_network(spending=BROKE, consecutive_failures=4), Level.UNHEALTHY, "network:devnet", "sends nothing"),
        (with_network(pause=PAUSE), Level.DEGRADED, "network:devnet", "is paused by alice since 2025-10-09T08:53:20Z"),
        (with_network(pause=PAUSE, consecutive_failures=5), Level.DEGRADED, "network:devnet", "is paused by alice"),
        (with_network(pause=PAUSE, spending=BROKE), Level.UNHEALTHY, "network:devnet", "sends nothing"),
        (with_network(pause=PAUSE, ready=False), Level.UNHEALTHY, "network:devnet", "is not ready"),
        (with_network(spending=OVER_BUDGET), Level.DEGRADED, "network:devnet", "sends heartbeats only: the budget"),
        (
            with_network(spending=OVER_BUDGET, consecutive_failures=5),
            Level.UNHEALTHY,
            "network:devnet",
            "failed pushes in a row: 5",
        ),
        (with_network(endpoints=(UP, DOWN)), Level.DEGRADED, "rpc:devnet/b", "timed out"),
        (with_network(endpoints=(DOWN,)), Level.UNHEALTHY, "rpc:devnet/b", "timed out"),
        (
            replace(KEEPER, networks=(NETWORK, replace(NETWORK, name="second", ready=False))),
            Level.DEGRADED,
            "network:second",
            "the chain was not read yet",
        ),
        (
            replace(KEEPER, networks=(NETWORK, replace(NETWORK, name="second", endpoints=(DOWN,)))),
            Level.DEGRADED,
            "rpc:second/b",
            "timed out",
        ),
        (
            replace(KEEPER, networks=(replace(NETWORK, ready=False), replace(NETWORK, name="second", ready=False))),
            Level.UNHEALTHY,
            "network:second",
            "the chain was not read yet",
        ),
        (replace(KEEPER, stopping=True), Level.DEGRADED, "keeper", "is shutting down"),
    ],
)
def test_tells_each_component_and_why(status: KeeperStatus, level: Level, component: str, why: str) -> None:
    answer = health(status)
    assert answer.status is level
    assert why in answer.components[component].why


def test_is_not_ill_when_a_market_is_closed() -> None:
    closed = replace(BTC, source=BTC.on_chain, judgement=HELD[Reason.NOT_NEWER])
    assert health(replace(with_network(feeds=(closed,)), now=NOW)).status is Level.HEALTHY


def test_names_every_component_of_a_healthy_keeper() -> None:
    assert health(KEEPER).components == {
        "source:hermes": Component(Level.HEALTHY, "streams"),
        "network:devnet": Component(Level.HEALTHY, "is kept fresh"),
        "rpc:devnet/rpc-1": Component(Level.HEALTHY, "answers"),
        "rpc:devnet/rpc-2": Component(Level.HEALTHY, "answers"),
    }


def test_counts_failures_of_the_network_that_has_most() -> None:
    networks = (replace(NETWORK, consecutive_failures=1), replace(NETWORK, name="second", consecutive_failures=3))
    assert health(replace(KEEPER, networks=networks)).consecutive_failures == 3


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (KEEPER, []),
        (with_source(last_event_at=None), ["no source has delivered a price yet"]),
        (with_source(state=SourceState.DOWN, connected=False), []),
        (with_network(ready=False), ["network devnet is not ready: the chain was not read yet"]),
        (replace(KEEPER, stopping=True), ["the keeper is shutting down"]),
    ],
)
def test_is_ready_once_networks_are_read_and_a_source_has_delivered(status: KeeperStatus, why: list[str]) -> None:
    assert readiness(status).why == why
    assert readiness(status).ready is (not why)
