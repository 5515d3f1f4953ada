"""A shortcut past the rules: prices between two bounds, until a moment, cannot make a feed due.

Every event judges every feed, and nearly all of them are well within their thresholds. Pure.
"""

from typing import NamedTuple

from keeper.domain.policy import FUTURE_TOLERANCE_S, Deviation, FeedPolicy, Staleness, TimeDifference
from keeper.domain.price import Price, usable
from keeper.domain.units import MILLION

_WITHOUT_END = 2**63


class Calm(NamedTuple):
    """Where a feed is on hold for its thresholds, by one policy and while one price is on chain."""

    policy: FeedPolicy
    on_chain: Price
    low: int
    high: int
    """Source prices lie between these two, of the exponent on chain, both excluded."""
    heartbeat_s: int
    """The price on chain is younger."""
    difference_s: int
    """Its publish time is less far from that of the source."""
    max_age_s: int
    """The source price is no older."""

    def holds(self, source: Price, now: float) -> bool:
        """Whether the verdict is HOLD for thresholds at `now`, Unix seconds; false where that is not certain."""
        on_chain, publish_time = self.on_chain, source.publish_time
        return (
            self.low < source.price < self.high
            and source.expo == on_chain.expo
            and 0 < publish_time - on_chain.publish_time < self.difference_s
            and now - on_chain.publish_time < self.heartbeat_s
            and now - publish_time <= self.max_age_s
            and publish_time <= now + FUTURE_TOLERANCE_S
        )

    def is_short_of(self, progress: int, source: Price, now: float) -> bool:
        """Whether `FeedPolicy.progress` is less than that (ppm) at `now`; false where that is not certain.

        The part of a threshold that is covered is taken for its square, which is less.
        """
        on_chain = self.on_chain
        return (
            source.expo == on_chain.expo
            and abs(source.price - on_chain.price) * MILLION < progress * (self.high - on_chain.price - 1)
            and (now - on_chain.publish_time) * MILLION < progress * self.heartbeat_s
            and (source.publish_time - on_chain.publish_time) * MILLION < progress * self.difference_s
        )


def calm_of(policy: FeedPolicy, on_chain: Price) -> Calm | None:
    """What is calm by that policy while this price is on chain; None where the rules have to be asked."""
    if not usable(on_chain) or policy.withheld is not None or policy.max_confidence is not None:
        return None
    low, high, heartbeat_s, difference_s = 0, _WITHOUT_END, _WITHOUT_END, _WITHOUT_END
    for rule in policy.rules:
        match rule:
            case Deviation(threshold):
                reach = -(-threshold * on_chain.price // MILLION)
                low, high = max(low, on_chain.price - reach), min(high, on_chain.price + reach)
            case Staleness(max_age_s):
                heartbeat_s = min(heartbeat_s, max_age_s)
            case TimeDifference(seconds):
                difference_s = min(difference_s, seconds)
            case _:
                return None
    max_source_age_s = _WITHOUT_END if policy.max_source_age_s is None else policy.max_source_age_s
    return Calm(policy, on_chain, low, high, heartbeat_s, difference_s, max_source_age_s)
