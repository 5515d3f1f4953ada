"""Each cause is told once, again now and then, and once more when it is over."""

from dataclasses import replace

import pytest

from keeper.alerts.conditions import Condition, conditions
from keeper.alerts.desk import Desk, Message, Stage
from keeper.domain.budget import Allowance, SpendLimit, SpendMode
from keeper.domain.status import EndpointState, Leadership, NetworkStatus, SourceState, SpendStatus
from tests.support.status import KEEPER, NETWORK, SOURCE

DOWN = Condition("AllRpcEndpointsDown", "evm", "no RPC endpoint of evm answers", patience_s=15)
REPEAT_S = 3600.0


def stages(desk: Desk, holding: list[Condition], now: float) -> list[Stage]:
    return [message.stage for message in desk.look(holding, now)]


def test_what_passes_by_itself_is_never_told() -> None:
    desk = Desk(repeat_s=REPEAT_S)
    assert stages(desk, [DOWN], 0) == []
    assert stages(desk, [DOWN], 14) == []
    assert stages(desk, [], 15) == []
    assert stages(desk, [DOWN], 16) == []


def test_a_cause_is_told_once_again_after_the_interval_and_when_it_is_over() -> None:
    desk = Desk(repeat_s=REPEAT_S)
    seen = {now: told for now in range(0, 8000, 5) if (told := stages(desk, [DOWN] if now < 7000 else [], now))}
    assert seen == {15: [Stage.FIRING], 3615: [Stage.FIRING], 7030: [Stage.RESOLVED]}


def test_the_same_cause_with_another_text_is_no_news_and_is_told_with_the_newest() -> None:
    desk = Desk(repeat_s=REPEAT_S)
    list(desk.look([DOWN], 0))
    (first,) = desk.look([DOWN], 15)
    assert list(desk.look([replace(DOWN, text="worse")], 20)) == []
    assert first == Message(Stage.FIRING, "AllRpcEndpointsDown", "evm", DOWN.text, 0)
    assert list(desk.look([], 25)) == []
    assert list(desk.look([], 55)) == [Message(Stage.RESOLVED, "AllRpcEndpointsDown", "evm", "worse", 0)]


def test_what_comes_and_goes_is_one_cause() -> None:
    desk = Desk(repeat_s=REPEAT_S)
    low = replace(DOWN, name="LowBalance", patience_s=0)
    seen = {now: told for now in range(0, 600, 5) if (told := stages(desk, [low] if now % 10 else [], now))}
    assert seen == {5: [Stage.FIRING]}


def test_what_has_no_end_is_told_once_in_an_interval_with_how_often_it_happened() -> None:
    desk = Desk(repeat_s=REPEAT_S)
    told = [desk.happened("PushFailed", "evm", "push failed", now) for now in (0, 10, 20, 3601)]
    assert [message.text if message else None for message in told] == [
        *("push failed", None, None, "push failed (2 more since the last message)"),
    ]
    assert desk.happened("PushFailed", "base", "push failed", 30) is not None


def named(*networks: NetworkStatus) -> set[str]:
    return {condition.name for condition in conditions(replace(KEEPER, networks=networks))}


def spending(mode: SpendMode, limit: SpendLimit) -> SpendStatus:
    return SpendStatus(allowance=Allowance(mode, limit))


def test_nothing_is_critical_while_all_is_well() -> None:
    assert list(conditions(KEEPER)) == []


@pytest.mark.parametrize(
    ("ill", "name"),
    [
        (
            replace(NETWORK, endpoints=tuple(replace(each, state=EndpointState.RESTING) for each in NETWORK.endpoints)),
            "AllRpcEndpointsDown",
        ),
        (replace(NETWORK, ready=False), "NetworkNotReady"),
        (replace(NETWORK, consecutive_failures=5), "ConsecutiveFailures"),
        (replace(NETWORK, longest_wait_s=61.0), "PushUnresolved"),
        (replace(NETWORK, leadership=Leadership(held=False, trouble="the API server is gone")), "LeadershipUnknown"),
        (
            replace(NETWORK, spending=spending(SpendMode.HEARTBEAT_ONLY, SpendLimit.DAILY_BUDGET)),
            "BudgetSpent",
        ),
        (replace(NETWORK, spending=spending(SpendMode.STOPPED, SpendLimit.LOW_BALANCE)), "LowBalance"),
        (replace(NETWORK, spending=SpendStatus(runway_s=86_399)), "ShortRunway"),
    ],
)
def test_a_network_that_is_ill_is_told_by_name(ill: NetworkStatus, name: str) -> None:
    assert name in named(ill)


def test_one_of_two_endpoints_or_four_failures_wake_nobody() -> None:
    one_down = (replace(NETWORK.endpoints[0], state=EndpointState.RESTING), NETWORK.endpoints[0])
    assert named(replace(NETWORK, endpoints=one_down, consecutive_failures=4)) == set()


@pytest.mark.parametrize(
    ("state", "names"),
    [
        (SourceState.DOWN, {"AllSourcesLost"}),
        (SourceState.UNAUTHORIZED, {"AllSourcesLost", "SourceUnauthorized"}),
        (SourceState.POLLING, set()),
    ],
)
def test_sources_that_deliver_nothing_are_told(state: SourceState, names: set[str]) -> None:
    status = replace(KEEPER, sources=(replace(SOURCE, state=state),))
    assert {condition.name for condition in conditions(status)} == names
