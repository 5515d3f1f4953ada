"""Why a feed is due or not: everything that its policy looks at, beside what it compares it with. Pure.

Numbers are rounded so that they tell the same as the exact ones do: whoever compares them comes to the same verdict.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, floor
from typing import NamedTuple

from keeper.domain.budget import SpendMode
from keeper.domain.policy import (
    FUTURE_TOLERANCE_S,
    Confidence,
    Deviation,
    Early,
    FeedPolicy,
    Judgement,
    Reason,
    Rule,
    Staleness,
    TimeDifference,
)
from keeper.domain.price import Price, confidence_ppm, deviation_ppm, usable
from keeper.domain.status import NetworkStatus
from keeper.domain.units import Ppm


class Unit(StrEnum):
    """What is counted in."""

    PPM = "ppm"
    SECONDS = "seconds"


class Measure(NamedTuple):
    """A value and where its limit lies, in whole units."""

    value: int
    limit: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Guard:
    """One thing that holds a feed back whatever its rules say."""

    reason: Reason
    holds_back: bool
    measure: Measure | None
    """None where it goes by no number.

    `not_newer` holds back below the limit, `from_the_future` and `source_stale` above it, `confidence_too_wide` from
    it on.
    """


@dataclass(frozen=True, slots=True)
class Weighed:
    """One push rule; it is met from its limit on."""

    reason: Reason
    met: bool
    measure: Measure | None
    """None while there are no two prices to compare."""
    in_force: bool = True
    """Not while a limit on spending withholds it."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One feed at one moment, as its policy sees it."""

    judgement: Judgement
    guards: tuple[Guard, ...]
    """In their order: the first that holds the feed back is the reason. Those that are switched off are left out."""
    rules: tuple[Weighed, ...]
    """In their order: where no guard holds the feed back, the first that is met and in force is the reason."""
    early: Early
    """When it joins a push that goes out anyway."""
    early_rules: tuple[Weighed, ...]
    progress: Ppm | None
    """How much of the way to its next push lies behind it; None while there are no two prices to compare."""
    next_heartbeat_at: int | None
    """Unix seconds from which it is due by the age of the price on chain alone; None where no rule says so."""


def explain(policy: FeedPolicy, source: Price | None, on_chain: Price | None, now: float) -> Explanation:
    """What `policy.judge` goes by, for the same arguments: the two never disagree."""
    pair = (source, on_chain) if source and on_chain and usable(source) and usable(on_chain) else None
    withheld = (rule for rule in policy.withheld or () if rule not in policy.rules)
    return Explanation(
        judgement=policy.judge(source, on_chain, now),
        guards=tuple(_guards(policy, source, on_chain, now)),
        rules=(*_weighed(policy.rules, pair, now), *_weighed(withheld, pair, now, in_force=False)),
        early=policy.early,
        early_rules=tuple(_weighed(policy.early_rules, pair, now)),
        progress=None if pair is None else policy.progress(*pair, now),
        next_heartbeat_at=_heartbeat_at(policy, on_chain),
    )


def _guards(policy: FeedPolicy, source: Price | None, on_chain: Price | None, now: float) -> Iterator[Guard]:
    yield Guard(Reason.NO_SOURCE_PRICE, source is None, None)
    if source is None:
        return
    if on_chain is not None:
        newer = Measure(source.publish_time - on_chain.publish_time, 1, Unit.SECONDS)
        yield Guard(Reason.NOT_NEWER, newer.value < newer.limit, newer)
    yield Guard(Reason.INVALID_PRICE, not usable(source), None)
    ahead = Measure(ceil(source.publish_time - now), FUTURE_TOLERANCE_S, Unit.SECONDS)
    yield Guard(Reason.FROM_THE_FUTURE, ahead.value > ahead.limit, ahead)
    if policy.max_source_age_s is not None:
        age = Measure(ceil(now - source.publish_time), policy.max_source_age_s, Unit.SECONDS)
        yield Guard(Reason.SOURCE_STALE, age.value > age.limit, age)
    if policy.max_confidence is not None and source.price:
        width = Measure(confidence_ppm(source), policy.max_confidence, Unit.PPM)
        yield Guard(Reason.CONFIDENCE_TOO_WIDE, width.value >= width.limit, width)


def _weighed(
    rules: Iterable[Rule], pair: tuple[Price, Price] | None, now: float, *, in_force: bool = True
) -> Iterator[Weighed]:
    for rule in rules:
        met = pair is not None and rule.triggers(*pair, now)
        yield Weighed(rule.reason, met, None if pair is None else _measure(rule, *pair, now), in_force)


def _measure(rule: Rule, source: Price, on_chain: Price, now: float) -> Measure | None:
    """None for a rule of another kind."""
    match rule:
        case Deviation(threshold):
            return Measure(deviation_ppm(source, on_chain) or 0, threshold, Unit.PPM)
        case Staleness(max_age_s):
            return Measure(floor(now) - on_chain.publish_time, max_age_s, Unit.SECONDS)
        case TimeDifference(seconds):
            return Measure(source.publish_time - on_chain.publish_time, seconds, Unit.SECONDS)
        case Confidence(threshold):
            return Measure(confidence_ppm(source), threshold, Unit.PPM)
        case _:
            return None


def deviation_threshold(policy: FeedPolicy) -> Ppm | None:
    """The deviation that makes a feed due; None where no rule in force says so."""
    return min((rule.threshold for rule in policy.rules if isinstance(rule, Deviation)), default=None)


def heartbeat_s(policy: FeedPolicy) -> int | None:
    """The age on chain that makes a feed due; None likewise."""
    return min((rule.max_age_s for rule in policy.rules if isinstance(rule, Staleness)), default=None)


def _heartbeat_at(policy: FeedPolicy, on_chain: Price | None) -> int | None:
    age_s = heartbeat_s(policy)
    return None if on_chain is None or age_s is None else on_chain.publish_time + age_s


class Obstacle(StrEnum):
    """What keeps a whole network from pushing feeds that are due, or some of them."""

    NOT_READY = "not_ready"
    STANDBY = "standby"
    """Another process sends."""
    PAUSED = "paused"
    BUDGET = "budget"
    """A limit on spending."""
    DRY_RUN = "dry_run"


def obstacles(network: NetworkStatus) -> tuple[Obstacle, ...]:
    """All that stand now."""
    standing = {
        Obstacle.NOT_READY: not network.ready,
        Obstacle.STANDBY: not network.leadership.held,
        Obstacle.PAUSED: network.pause is not None,
        Obstacle.BUDGET: network.spending.allowance.mode is not SpendMode.NORMAL,
        Obstacle.DRY_RUN: network.dry_run,
    }
    return tuple(obstacle for obstacle, stands in standing.items() if stands)
