"""Why one feed is due or not, for people: the answer of /v1/feeds/{network}/{feed}.

Keys are stable: new ones may come, none changes its meaning. Values and limits are decimal text, in `unit`.
"""

import msgspec

from keeper.domain.explanation import Explanation, Guard, Measure, Obstacle, Unit, Weighed, explain, obstacles
from keeper.domain.feed_state import FeedState
from keeper.domain.policy import Early, FeedPolicy, Reason, Verdict
from keeper.domain.status import FeedStatus, NetworkStatus
from keeper.server.decimals import decimal_text
from keeper.server.explained_text import hindrance, sentence
from keeper.server.status import feed_view, price_view
from keeper.server.views import LastPush, PriceView

_PPM_AS_PERCENT = -4
_UNITS = {Unit.PPM: "percent", Unit.SECONDS: "s"}


class GuardView(msgspec.Struct, frozen=True):
    """One thing that holds a feed back whatever its rules say."""

    reason: Reason
    holds_back: bool
    value: str | None
    """None where it goes by no number."""
    limit: str | None
    unit: str | None
    """`percent` or `s`."""


class RuleView(msgspec.Struct, frozen=True):
    """One push rule."""

    reason: Reason
    met: bool
    in_force: bool
    """Not while a limit on spending withholds it."""
    value: str | None
    """None while there are no two prices to compare."""
    threshold: str | None
    unit: str | None
    """`percent` or `s`."""
    met_percent: str | None
    """The value in percent of the threshold."""


class JoiningView(msgspec.Struct, frozen=True):
    """When the feed joins a push that goes out anyway."""

    mode: Early
    progress_percent: str | None
    """How much of the way to its next push lies behind it; None while there are no two prices to compare."""
    rules: list[RuleView]
    """Where the mode is `rules`: any that is met makes it join."""


class ObstacleView(msgspec.Struct, frozen=True):
    """What keeps the whole network from pushing, whatever the verdict."""

    what: Obstacle
    why: str


class ExplainedView(msgspec.Struct, frozen=True):
    """One feed at one moment."""

    network: str
    id: str
    alias: str
    now: float
    """Unix seconds."""
    verdict: Verdict
    reason: Reason
    text: str
    """The same in a sentence."""
    source: PriceView | None
    on_chain: PriceView | None
    in_flight: PriceView | None
    """What a push on its way will write, and the rules go by; None where there is none."""
    deviation_percent: str | None
    state: FeedState
    next_heartbeat_at: int | None
    """Unix seconds from which it is due by age alone."""
    next_heartbeat_in_s: float | None
    """Below zero where that moment has passed."""
    guards: list[GuardView]
    rules: list[RuleView]
    joining: JoiningView
    obstacles: list[ObstacleView]
    last_push: LastPush | None
    out_of_policy_s: float
    rival_writes: int


def explained_view(network: NetworkStatus, feed: FeedStatus, now: float) -> ExplainedView:
    """As of `now`, Unix seconds."""
    told = explain(feed.policy or FeedPolicy(rules=()), feed.source, feed.coming, now)
    shown = feed_view(feed, now)
    heartbeat_at = told.next_heartbeat_at
    return ExplainedView(
        network=network.name,
        id=shown.id,
        alias=shown.alias,
        now=round(now, 3),
        verdict=told.judgement.verdict,
        reason=told.judgement.reason,
        text=sentence(told, closed=feed.state is FeedState.CLOSED),
        source=shown.source,
        on_chain=shown.on_chain,
        in_flight=None if feed.coming == feed.on_chain else price_view(feed.coming, now),
        deviation_percent=shown.deviation_percent,
        state=shown.state,
        next_heartbeat_at=heartbeat_at,
        next_heartbeat_in_s=None if heartbeat_at is None else round(heartbeat_at - now, 3),
        guards=[_guard(guard) for guard in told.guards],
        rules=[_rule(rule) for rule in told.rules],
        joining=_joining(told),
        obstacles=[ObstacleView(what=each, why=hindrance(each, network)) for each in obstacles(network)],
        last_push=shown.last_push,
        out_of_policy_s=shown.out_of_policy_s,
        rival_writes=shown.rival_writes,
    )


def _joining(told: Explanation) -> JoiningView:
    progress = None if told.progress is None else decimal_text(told.progress, _PPM_AS_PERCENT)
    return JoiningView(mode=told.early, progress_percent=progress, rules=[_rule(rule) for rule in told.early_rules])


def _guard(guard: Guard) -> GuardView:
    value, limit, unit = _measure(guard.measure)
    return GuardView(reason=guard.reason, holds_back=guard.holds_back, value=value, limit=limit, unit=unit)


def _rule(rule: Weighed) -> RuleView:
    value, threshold, unit = _measure(rule.measure)
    return RuleView(
        reason=rule.reason,
        met=rule.met,
        in_force=rule.in_force,
        value=value,
        threshold=threshold,
        unit=unit,
        met_percent=_share(rule.measure),
    )


def _measure(measure: Measure | None) -> tuple[str | None, str | None, str | None]:
    if measure is None:
        return None, None, None
    expo = _PPM_AS_PERCENT if measure.unit is Unit.PPM else 0
    return decimal_text(measure.value, expo), decimal_text(measure.limit, expo), _UNITS[measure.unit]


def _share(measure: Measure | None) -> str | None:
    """In percent, rounded down: 100 and more only where the limit is reached."""
    if measure is None:
        return None
    return str(max(measure.value, 0) * 100 // measure.limit) if measure.limit > 0 else "100"
