"""Whether a price feed is due: the verdict on one feed, always with its reason.

A feed is DUE when its update is worth a transaction, EARLY when it is worth joining one that goes out anyway, and HOLD
otherwise. Guards come first (they hold back what must never be sent), then the rules, any of which makes the feed due.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, assert_never

from keeper.domain.budget import SpendMode
from keeper.domain.price import Price, aligned, confidence_reaches, deviates, usable
from keeper.domain.units import MILLION, Ppm

FUTURE_TOLERANCE_S = 5
"""How far ahead of the wall clock a publish time may be; on chain a later one would block genuine updates."""


class Verdict(StrEnum):
    """What to do with a feed."""

    DUE = "due"
    EARLY = "early"
    HOLD = "hold"


class Reason(StrEnum):
    """Why; the same word in logs, metrics, /status and the journal."""

    NEVER_PUSHED = "never_pushed"
    FORCED = "forced"
    DEVIATION = "deviation"
    STALE = "stale"
    TIME_DIFFERENCE = "time_difference"
    CONFIDENCE = "confidence"
    JOINS_ALWAYS = "joins_always"
    JOINS_CHEAPER = "joins_cheaper"
    WITHIN_THRESHOLDS = "within_thresholds"
    NO_SOURCE_PRICE = "no_source_price"
    INVALID_PRICE = "invalid_price"
    FROM_THE_FUTURE = "from_the_future"
    NOT_NEWER = "not_newer"
    SOURCE_STALE = "source_stale"
    CONFIDENCE_TOO_WIDE = "confidence_too_wide"
    HELD_BY_BUDGET = "held_by_budget"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and its reason."""

    verdict: Verdict
    reason: Reason


class Rule(Protocol):
    """One push rule. Both prices are usable and the source's is newer; `now` is in Unix seconds."""

    @property
    def reason(self) -> Reason:
        """The word for it."""
        ...

    def triggers(self, source: Price, on_chain: Price, now: float) -> bool:
        """Whether the feed is due."""
        ...

    def progress(self, source: Price, on_chain: Price, now: float) -> Ppm:
        """How much of the way from one push to the next lies behind the feed, in 0 to 1,000,000 ppm."""
        ...


@dataclass(frozen=True, slots=True)
class Deviation:
    """The source price differs from the on-chain price by this much or more."""

    threshold: Ppm
    reason: Reason = Reason.DEVIATION

    def triggers(self, source: Price, on_chain: Price, now: float) -> bool:
        """See Rule."""
        return deviates(source, on_chain, self.threshold)

    def progress(self, source: Price, on_chain: Price, now: float) -> Ppm:
        """The square of the part covered: a price that wanders has gone a quarter of its time at half the way."""
        same = source.expo == on_chain.expo
        new, old = (source.price, on_chain.price) if same else aligned(source, on_chain)
        limit = self.threshold * abs(old)
        gone = abs(new - old) * MILLION
        return Ppm(MILLION if gone >= limit else gone * gone * MILLION // (limit * limit))


@dataclass(frozen=True, slots=True)
class Staleness:
    """The on-chain price is this old or older by the wall clock: the heartbeat."""

    max_age_s: int
    reason: Reason = Reason.STALE

    def triggers(self, source: Price, on_chain: Price, now: float) -> bool:
        """See Rule."""
        return now - on_chain.publish_time >= self.max_age_s

    def progress(self, source: Price, on_chain: Price, now: float) -> Ppm:
        """The part of the heartbeat that has passed."""
        return _part(int(now) - on_chain.publish_time, self.max_age_s)


@dataclass(frozen=True, slots=True)
class TimeDifference:
    """The source's publish time is this much later than the on-chain one; price_pusher's `time_difference`."""

    seconds: int
    reason: Reason = Reason.TIME_DIFFERENCE

    def triggers(self, source: Price, on_chain: Price, now: float) -> bool:
        """See Rule."""
        return source.publish_time - on_chain.publish_time >= self.seconds

    def progress(self, source: Price, on_chain: Price, now: float) -> Ppm:
        """The part of the difference that has built up."""
        return _part(source.publish_time - on_chain.publish_time, self.seconds)


@dataclass(frozen=True, slots=True)
class Confidence:
    """The source's confidence interval is this part of its price or wider."""

    threshold: Ppm
    reason: Reason = Reason.CONFIDENCE

    def triggers(self, source: Price, on_chain: Price, now: float) -> bool:
        """See Rule."""
        return confidence_reaches(source, self.threshold)

    def progress(self, source: Price, on_chain: Price, now: float) -> Ppm:
        """Confidence does not build up towards a push."""
        return Ppm(0)


class Early(StrEnum):
    """When a feed that is not due joins a push that goes out anyway."""

    NEVER = "never"
    ALWAYS = "always"
    CHEAPER = "cheaper"
    """When joining now costs less than the push of its own that it saves."""
    RULES = "rules"
    """When one of its early rules triggers."""


@dataclass(frozen=True, slots=True)
class FeedPolicy:
    """When to push one feed."""

    rules: tuple[Rule, ...]
    early: Early = Early.CHEAPER
    early_rules: tuple[Rule, ...] = ()
    max_source_age_s: int | None = None
    """A source price older than this is not worth gas."""
    max_confidence: Ppm | None = None
    """A source price whose confidence interval is this part of it or wider is not sent."""
    withheld: tuple[Rule, ...] | None = None
    """Rules that a limit on spending puts out of force; None without such a limit."""
    stopped: bool = False
    """Whether it forbids even first writes."""

    def under(self, mode: SpendMode, heartbeat_s: int | None) -> "FeedPolicy":
        """What is left of this policy in a mode; in heartbeat-only mode a feed is due at an age of `heartbeat_s`.

        Where that is None, rules that go by age stay as they are. Guards and joining are as ever.
        """
        match mode:
            case SpendMode.NORMAL:
                return self
            case SpendMode.HEARTBEAT_ONLY if heartbeat_s is not None:
                rules: tuple[Rule, ...] = (Staleness(heartbeat_s),)
            case SpendMode.HEARTBEAT_ONLY:
                rules = tuple(rule for rule in self.rules if isinstance(rule, Staleness | TimeDifference))
            case SpendMode.STOPPED:
                rules = ()
            case _:
                assert_never(mode)
        return replace(self, rules=rules, withheld=self.rules, stopped=mode is SpendMode.STOPPED)

    def judge(self, source: Price | None, on_chain: Price | None, now: float, *, forced: bool = False) -> Judgement:
        """Whether the feed is due at `now` (Unix seconds); a forced one skips thresholds and the source's age.

        `on_chain` is None for a feed that was never pushed. Forcing does not lift a limit on spending.
        """
        freely = self.withheld is None
        guard = self._guard(source, on_chain, now, forced=forced and freely)
        if guard is not None or source is None:
            return guard or HELD[Reason.NO_SOURCE_PRICE]
        if forced and freely:
            return DUE[Reason.FORCED]
        if on_chain is None or not usable(on_chain):
            return HELD[Reason.HELD_BY_BUDGET] if self.stopped else DUE[Reason.NEVER_PUSHED]
        for rule in self.rules:
            if rule.triggers(source, on_chain, now):
                return DUE[rule.reason]
        if self.withheld is not None and (forced or self._would_be_due(source, on_chain, now)):
            return HELD[Reason.HELD_BY_BUDGET]
        return HELD[Reason.WITHIN_THRESHOLDS]

    def _would_be_due(self, source: Price, on_chain: Price, now: float) -> bool:
        return any(rule.triggers(source, on_chain, now) for rule in self.withheld or ())

    def _guard(self, source: Price | None, on_chain: Price | None, now: float, *, forced: bool) -> Judgement | None:
        """What holds the feed back whatever its rules say."""
        reason: Reason | None = None
        if source is None:
            reason = Reason.NO_SOURCE_PRICE
        elif on_chain is not None and source.publish_time <= on_chain.publish_time:
            reason = Reason.NOT_NEWER
        elif not usable(source):
            reason = Reason.INVALID_PRICE
        elif source.publish_time > now + FUTURE_TOLERANCE_S:
            reason = Reason.FROM_THE_FUTURE
        elif not forced and self.max_source_age_s is not None and now - source.publish_time > self.max_source_age_s:
            reason = Reason.SOURCE_STALE
        elif self.max_confidence is not None and confidence_reaches(source, self.max_confidence):
            reason = Reason.CONFIDENCE_TOO_WIDE
        return None if reason is None else HELD[reason]

    def progress(self, source: Price, on_chain: Price, now: float) -> Ppm:
        """How near the feed is to being due, by the rule that is nearest, in 0 to 1,000,000 ppm."""
        furthest = Ppm(0)
        for rule in self.rules:
            progress = rule.progress(source, on_chain, now)
            furthest = max(furthest, progress)
        return furthest

    def early_rule(self, source: Price, on_chain: Price, now: float) -> Reason | None:
        """The first early rule that triggers."""
        return next((rule.reason for rule in self.early_rules if rule.triggers(source, on_chain, now)), None)


DUE = {reason: Judgement(Verdict.DUE, reason) for reason in Reason}
"""Judgements made once, since every event makes one a feed."""
HELD = {reason: Judgement(Verdict.HOLD, reason) for reason in Reason}
EARLY = {reason: Judgement(Verdict.EARLY, reason) for reason in Reason}


def _part(passed: int, whole: int) -> Ppm:
    if passed >= whole:
        return Ppm(MILLION)
    return Ppm(passed * MILLION // whole if passed > 0 else 0)
