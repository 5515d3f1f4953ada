"""/v1/feeds explains a verdict: its values, its limits, and a sentence."""

from dataclasses import replace

import pytest

from keeper.domain.budget import Allowance, SpendLimit, SpendMode
from keeper.domain.explanation import Obstacle
from keeper.domain.feed_state import FeedState
from keeper.domain.orders import Pause
from keeper.domain.policy import Deviation, Early, FeedPolicy, Reason, Staleness, Verdict
from keeper.domain.price import Price
from keeper.domain.status import Leadership, SpendStatus
from keeper.domain.units import Ppm
from keeper.server.explained import ExplainedView, GuardView, ObstacleView, RuleView, explained_view
from tests.support.status import BTC, NETWORK, NOW

POLICY = FeedPolicy(rules=(Deviation(Ppm(5_000)), Staleness(30)), max_source_age_s=60, max_confidence=Ppm(10_000))
FEED = replace(BTC, policy=POLICY, coming=BTC.on_chain)


def explained(**changes: object) -> ExplainedView:
    return explained_view(NETWORK, replace(FEED, **changes), NOW)  # type: ignore[arg-type]  # any field


def source(**changes: int) -> Price:
    assert FEED.source is not None
    return FEED.source._replace(**changes)


def test_puts_values_beside_thresholds() -> None:
    told = explained()
    assert (told.verdict, told.reason) == (Verdict.HOLD, Reason.WITHIN_THRESHOLDS)
    assert told.text == "Hold: no rule is met: 0.0999% of 0.5000% (deviation), 12 s of 30 s (stale)."
    assert told.rules == [
        RuleView(Reason.DEVIATION, False, True, "0.0999", "0.5000", "percent", "19"),
        RuleView(Reason.STALE, False, True, "12", "30", "s", "40"),
    ]
    assert told.guards[-1] == GuardView(Reason.CONFIDENCE_TOO_WIDE, False, "0.0535", "1.0000", "percent")
    assert (told.joining.mode, told.joining.progress_percent) == (Early.CHEAPER, "40.0000")
    assert (told.next_heartbeat_at, told.next_heartbeat_in_s) == (1_760_000_018, 17.75)


def test_goes_by_the_price_that_a_push_in_flight_carries() -> None:
    told = explained(coming=source())
    assert (told.reason, told.in_flight is not None) == (Reason.NOT_NEWER, True)
    assert explained().in_flight is None


FAR = source(price=7_000_000_000_000)
STOPPED = POLICY.under(SpendMode.STOPPED, None)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"source": FAR}, "Due: the source price differs by 14.1020% from the on-chain price, 0.5000% is enough."),
        ({"coming": source(publish_time=1_759_999_000)}, "Due: the on-chain price is 1000 s old, 30 s is enough."),
        ({"coming": None}, "Due: it was never pushed."),
        ({"source": None}, "Hold: no source has delivered a price yet."),
        (
            {"source": source(price=0)},
            "Hold: the source price is not above zero, or has no sensible time or exponent.",
        ),
        (
            {"source": source(publish_time=1_759_999_988)},
            "Hold: the source price is not newer than the on-chain price.",
        ),
        (
            {"source": source(publish_time=1_760_000_009)},
            "Hold: the source price is 9 s ahead of the clock, 5 s is the most.",
        ),
        (
            {"source": source(conf=100_000_000_000)},
            "Hold: the confidence interval is 1.6284% of the source price, it must stay below 1.0000%.",
        ),
        (
            {"state": FeedState.CLOSED, "policy": FeedPolicy(rules=())},
            "Hold: no rule is met: there is none; the market is closed: its publish time stands still.",
        ),
        ({"policy": STOPPED, "source": FAR}, "Hold: only a limit on spending holds it back."),
    ],
)
def test_says_why_in_a_sentence(changes: dict[str, object], text: str) -> None:
    assert explained(**changes).text == text


def test_tells_what_keeps_the_network_from_pushing() -> None:
    network = replace(
        NETWORK,
        ready=False,
        detail="no endpoint answers",
        leadership=Leadership(held=False, holder="keeper-1"),
        pause=Pause("alice", 1_760_000_000.0),
        spending=SpendStatus(allowance=Allowance(SpendMode.HEARTBEAT_ONLY, SpendLimit.DAILY_BUDGET)),
        dry_run=True,
    )
    assert explained_view(network, FEED, NOW).obstacles == [
        ObstacleView(Obstacle.NOT_READY, "no endpoint answers"),
        ObstacleView(Obstacle.STANDBY, "keeper-1 sends, this keeper stands by"),
        ObstacleView(Obstacle.PAUSED, "paused by alice since 2025-10-09T08:53:20Z"),
        ObstacleView(Obstacle.BUDGET, "sends heartbeats only: the budget of the day is spent"),
        ObstacleView(Obstacle.DRY_RUN, "a dry run decides, and sends nothing"),
    ]
    assert explained().obstacles == []


@pytest.mark.parametrize("threshold", [0, 1])
def test_a_threshold_of_nothing_is_met(threshold: int) -> None:
    (rule,) = explained(policy=FeedPolicy(rules=(Deviation(Ppm(threshold)),))).rules
    assert (rule.met, rule.met_percent) == (True, "100" if threshold == 0 else "99900")
