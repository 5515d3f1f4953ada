"""What `keeper verify` makes of a status."""

from collections.abc import Sequence
from typing import Any

import pytest

from keeper.app.verifying import (
    Endpoint,
    Feed,
    Leadership,
    Network,
    Paused,
    Published,
    Source,
    Status,
    findings,
    read_status,
    unwell,
)
from keeper.domain.errors import Rejected
from keeper.domain.policy import Reason
from keeper.domain.status import SourceState
from keeper.server.health import Level

UP, DOWN = Endpoint(healthy=True), Endpoint(healthy=False)


def network(**changed: Any) -> Network:
    usual: dict[str, Any] = {
        "name": "evm",
        "ready": True,
        "detail": "",
        "dry_run": False,
        "consecutive_failures": 0,
        "pushes": {"confirmed": 1, "failed": 0},
        "endpoints": [],
        "feeds": [feed(source=10, on_chain=8)],
        "newest_push": 4,
        "final_push": 3,
    }
    return Network(**(usual | changed))


def pushed(*, final: int, **changed: Any) -> Network:
    return network(**({"feeds": [feed(source=10, on_chain=10)], "newest_push": 5, "final_push": final} | changed))


def feed(
    *, source: int | None, on_chain: int | None, alias: str = "BTC/USD", reason: Reason = Reason.WITHIN_THRESHOLDS
) -> Feed:
    return Feed(
        alias,
        None if source is None else Published(source),
        None if on_chain is None else Published(on_chain),
        reason,
    )


def status(
    *networks: Network,
    health: Level = Level.HEALTHY,
    sources: Sequence[SourceState] = (SourceState.STREAMING,),
    **problems: str,
) -> Status:
    return Status(health, problems, [Source(state) for state in sources], list(networks))


@pytest.mark.parametrize(
    ("shown", "problems"),
    [
        (status(network()), []),
        (status(network(), health=Level.DEGRADED, config="cannot be read"), []),
        (status(network(), health=Level.UNHEALTHY, journal="is full"), ["journal is full"]),
        (status(network(ready=False, detail="no price yet")), ["network evm is not ready: no price yet"]),
        (status(network(consecutive_failures=2, detail="no coins")), ["network evm fails: no coins"]),
        (status(network(leadership=Leadership(held=False))), ["network evm: nobody leads"]),
        (status(network(leadership=Leadership(held=False, holder="pod-a"))), []),
    ],
)
def test_names_what_keeps_a_keeper_from_being_well(shown: Status, problems: Sequence[str]) -> None:
    assert list(unwell(shown)) == problems


@pytest.mark.parametrize(
    ("leadership", "problems"),
    [
        (Leadership(held=True), []),
        (Leadership(held=False, holder="pod-b_1f2e"), []),
        (
            Leadership(held=False, holder="pod-old_1f2e"),
            ["network evm: pod-old_1f2e leads, and is none of pod-a, pod-b"],
        ),
        (Leadership(held=False, holder="pod-bb_1f2e"), ["network evm: pod-bb_1f2e leads, and is none of pod-a, pod-b"]),
        (Leadership(held=False), ["network evm: nobody leads"]),
    ],
)
def test_waits_for_one_of_those_that_are_to_lead(leadership: Leadership, problems: Sequence[str]) -> None:
    assert list(unwell(status(network(leadership=leadership)), ["pod-a", "pod-b"])) == problems


@pytest.mark.parametrize(
    ("now", "done", "text"),
    [
        (pushed(final=5), True, "network evm leads, and has pushed BTC/USD, which is final"),
        (pushed(final=4), False, "network evm leads, and has pushed BTC/USD, which is not final yet"),
        (pushed(final=5, pushes={"reverted": 1}, detail="fee"), False, "network evm has failed to push: fee"),
        (network(), False, "network evm leads, and has pushed nothing yet"),
        (
            network(feeds=[feed(source=10, on_chain=8, reason=Reason.HELD_BY_BUDGET)]),
            False,
            "network evm leads, and has pushed nothing yet: a limit on spending holds BTC/USD",
        ),
        (network(pushes={"failed": 1}, detail="fee"), False, "network evm has failed to push: fee"),
        (network(dry_run=True), True, "network evm is watched only: dry run"),
        (network(leadership=Leadership(held=False, holder="pod-a")), True, "network evm stands by for pod-a"),
        (network(paused=Paused("anna")), True, "network evm leads, and pushes nothing: paused by anna"),
    ],
)
def test_tells_how_far_a_forced_push_has_come(now: Network, text: str, *, done: bool) -> None:
    (found,) = findings(status(network()), status(now), after_s=0.1)
    assert (found.done, str(found)) == (done, text)


@pytest.mark.parametrize(
    ("before", "now", "reason", "left"),
    [
        ((10, 8), (10, 8), Reason.FORCED, True),
        ((10, 8), (12, 8), Reason.FORCED, True),
        ((10, 8), (10, 10), Reason.NOT_NEWER, False),
        ((8, 8), (10, 8), Reason.WITHIN_THRESHOLDS, False),
        ((None, None), (None, None), Reason.NO_SOURCE_PRICE, False),
        ((10, None), (10, None), Reason.FORCED, True),
        ((10, 8), (10, 8), Reason.INVALID_PRICE, False),
        ((10, 8), (10, 8), Reason.CONFIDENCE_TOO_WIDE, False),
        ((10, 8), (10, 8), Reason.HELD_BY_BUDGET, True),
    ],
)
def test_every_feed_counts_that_had_something_newer_than_the_chain_and_may_be_pushed(
    before: tuple[int | None, int | None], now: tuple[int | None, int | None], reason: Reason, *, left: bool
) -> None:
    def two(first: int, source: int | None, on_chain: int | None) -> list[Feed]:
        other = feed(source=source, on_chain=on_chain, alias="ETH/USD", reason=reason)
        return [feed(source=10, on_chain=first), other]

    (found,) = findings(status(network(feeds=two(8, *before))), status(pushed(final=5, feeds=two(10, *now))), after_s=1)
    assert found.done is not left
    assert ("and not yet ETH/USD" in str(found)) is left


@pytest.mark.parametrize(
    ("source", "node", "after_s", "done"),
    [(8, UP, 3.1, True), (8, UP, 0.1, False), (8, DOWN, 3.1, False), (9, UP, 3.1, False), (None, UP, 3.1, False)],
)
def test_nothing_newer_than_the_chain_is_fine_while_source_and_node_are_there(
    source: int | None, node: Endpoint, after_s: float, *, done: bool
) -> None:
    now = status(network(feeds=[feed(source=source, on_chain=8)], endpoints=[DOWN, node]))
    (found,) = findings(status(network()), now, after_s=after_s)
    assert found.done is done


@pytest.mark.parametrize(
    ("sources", "done"),
    [
        ([SourceState.DOWN, SourceState.POLLING], True),
        ([SourceState.DOWN, SourceState.UNAUTHORIZED, SourceState.STANDBY], False),
        ([SourceState.SILENT], False),
    ],
)
def test_nothing_newer_is_nothing_to_go_by_where_no_source_delivers(
    sources: Sequence[SourceState], *, done: bool
) -> None:
    now = status(network(feeds=[feed(source=8, on_chain=8)], endpoints=[UP]), sources=sources)
    (found,) = findings(status(network()), now, after_s=3.1)
    assert found.done is done


def test_refuses_what_is_no_status() -> None:
    with pytest.raises(Rejected, match="is it a keeper of this version"):
        read_status(b"[]", "http://here")
