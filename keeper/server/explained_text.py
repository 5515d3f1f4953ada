"""Verdicts in a sentence."""

from typing import assert_never

from keeper.domain.explanation import Explanation, Measure, Obstacle, Unit
from keeper.domain.policy import Reason
from keeper.domain.status import NetworkStatus
from keeper.server.decimals import decimal_text
from keeper.server.moments import utc_text
from keeper.server.spending import SPENDING

_PPM_AS_PERCENT = -4
_PLAIN = {
    Reason.NEVER_PUSHED: "it was never pushed",
    Reason.FORCED: "an update was asked for",
    Reason.JOINS_ALWAYS: "it joins every push",
    Reason.JOINS_CHEAPER: "joining a push is cheaper than one of its own",
    Reason.NO_SOURCE_PRICE: "no source has delivered a price yet",
    Reason.INVALID_PRICE: "the source price is not above zero, or has no sensible time or exponent",
}
_MEASURED = {
    Reason.DEVIATION: "the source price differs by {value} from the on-chain price, {limit} is enough",
    Reason.STALE: "the on-chain price is {value} old, {limit} is enough",
    Reason.TIME_DIFFERENCE: "the source price is {value} newer than the on-chain price, {limit} is enough",
    Reason.CONFIDENCE: "the confidence interval is {value} of the source price, {limit} is enough",
    Reason.NOT_NEWER: "the source price is not newer than the on-chain price",
    Reason.FROM_THE_FUTURE: "the source price is {value} ahead of the clock, {limit} is the most",
    Reason.SOURCE_STALE: "the source price is {value} old, {limit} is the most",
    Reason.CONFIDENCE_TOO_WIDE: "the confidence interval is {value} of the source price, it must stay below {limit}",
}


def sentence(told: Explanation, *, closed: bool) -> str:
    """What the policy says, and why; `closed`: the market is, by the feed's state."""
    verdict = told.judgement.verdict.value.capitalize()
    market = "; the market is closed: its publish time stands still" if closed else ""
    return f"{verdict}: {_why(told)}{market}."


def _why(told: Explanation) -> str:
    reason = told.judgement.reason
    if reason is Reason.HELD_BY_BUDGET:
        return "only a limit on spending holds it back"
    if reason is Reason.WITHIN_THRESHOLDS:
        rules = (
            f"{_text(rule.measure)} of {_limit(rule.measure)} ({rule.reason})" for rule in told.rules if rule.measure
        )
        return f"no rule is met: {', '.join(rules) or 'there is none'}"
    deciding = [
        *(guard.measure for guard in told.guards if guard.holds_back and guard.reason is reason),
        *(rule.measure for rule in told.rules if rule.met and rule.in_force and rule.reason is reason),
    ]
    measure = deciding[0] if deciding else None
    if measure is None:
        return _PLAIN[reason]
    return _MEASURED[reason].format(value=_text(measure), limit=_limit(measure))


def _text(measure: Measure) -> str:
    return _amount(measure.value, measure.unit)


def _limit(measure: Measure) -> str:
    return _amount(measure.limit, measure.unit)


def _amount(number: int, unit: Unit) -> str:
    match unit:
        case Unit.PPM:
            return f"{decimal_text(number, _PPM_AS_PERCENT)}%"
        case Unit.SECONDS:
            return f"{number} s"
        case _:
            assert_never(unit)


def hindrance(obstacle: Obstacle, network: NetworkStatus) -> str:
    """What stands between a due feed and its push."""
    match obstacle:
        case Obstacle.NOT_READY:
            return network.detail or "the chain was not read yet"
        case Obstacle.STANDBY:
            return f"{network.leadership.holder or 'nobody that is known'} sends, this keeper stands by"
        case Obstacle.PAUSED:
            pause = network.pause
            return "" if pause is None else f"paused by {pause.by} since {utc_text(pause.since)}"
        case Obstacle.BUDGET:
            return SPENDING[network.spending.allowance]
        case Obstacle.DRY_RUN:
            return "a dry run decides, and sends nothing"
        case _:
            assert_never(obstacle)
