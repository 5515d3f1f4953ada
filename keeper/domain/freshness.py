"""Whether what is on chain keeps what its policy promises to those who read it, by the wall clock."""

from dataclasses import dataclass

from keeper.domain.policy import Confidence, FeedPolicy, Reason, Staleness
from keeper.domain.price import Price
from keeper.domain.units import Ppm


@dataclass(frozen=True, slots=True)
class InPolicy:
    """The share of feed-seconds in which the prices on chain kept their policies; None where none have passed."""

    since_start: Ppm | None = None
    last_hour: Ppm | None = None


ALL_UNKNOWN = InPolicy()


def out_of_policy(policy: FeedPolicy, source: Price | None, on_chain: Price | None, now: float, *, told: bool) -> bool:
    """Whether the feed should have been updated by now (Unix seconds), whoever is to blame that it was not.

    `policy` is the full one, whatever the budget leaves of it. `told`: whether the source is heard. While it is, a
    publish time that stands still is a closed market, and nothing is amiss; while it is not, an old price counts.
    """
    match policy.judge(source, on_chain, now).reason:
        case Reason.CONFIDENCE if source is not None and on_chain is not None:
            rules = (rule for rule in policy.rules if not isinstance(rule, Confidence))
            return any(rule.triggers(source, on_chain, now) for rule in rules)
        case Reason.NEVER_PUSHED | Reason.DEVIATION | Reason.STALE | Reason.TIME_DIFFERENCE:
            return True
        case Reason.NOT_NEWER | Reason.SOURCE_STALE:
            return not told and _is_stale(policy, on_chain, now)
        case Reason.NO_SOURCE_PRICE | Reason.INVALID_PRICE | Reason.FROM_THE_FUTURE:
            return _is_stale(policy, on_chain, now)
        case _:
            return False


def _is_stale(policy: FeedPolicy, on_chain: Price | None, now: float) -> bool:
    limits = (rule.max_age_s for rule in policy.rules if isinstance(rule, Staleness))
    return on_chain is not None and any(now - on_chain.publish_time >= limit for limit in limits)
