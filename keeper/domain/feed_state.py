"""How a feed is doing at its sources: what is wrong with its price, by name, or nothing."""

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.policy import FUTURE_TOLERANCE_S
from keeper.domain.price import Price, confidence_reaches, usable
from keeper.domain.units import MILLION, Ppm

VANISHED_S = 30.0
"""A feed that was in no update for so long, while others were, is served no more."""
CLOSED_S = 60
"""A publish time that has stood still for so long means a closed market."""
_WHOLE = Ppm(MILLION)


class FeedState(StrEnum):
    """The same word in /status and metrics. Only `ok` and `closed` are as they should be."""

    OK = "ok"
    CLOSED = "closed"
    """It is delivered, and its publish time stands still."""
    NO_PRICE = "no_price"
    """No source has delivered it yet."""
    VANISHED = "vanished"
    """Sources deliver other feeds, and this one no more."""
    SOURCE_STALE = "source_stale"
    """No source delivers anything."""
    INVALID_PRICE = "invalid_price"
    ABSURD_CONFIDENCE = "absurd_confidence"
    """Its confidence interval is as wide as the price itself."""
    EXPONENT_CHANGED = "exponent_changed"
    """It is not that of the price on chain, until the next push."""
    FROM_THE_FUTURE = "from_the_future"


@dataclass(frozen=True, slots=True)
class Heard:
    """How long ago sources were last heard, in seconds."""

    feed_s: float | None
    """The feed in any update, moved or not; None before the first."""
    anything_s: float | None
    """Any feed at all."""


def feed_state(  # noqa: PLR0911 - a table: one line a state
    source: Price | None, on_chain: Price | None, heard: Heard, now: float
) -> FeedState:
    """The state of a feed at `now` (Unix seconds): a fault of the price itself counts before its age."""
    if source is None or heard.feed_s is None or heard.anything_s is None:
        return FeedState.NO_PRICE
    if not usable(source):
        return FeedState.INVALID_PRICE
    if source.publish_time > now + FUTURE_TOLERANCE_S:
        return FeedState.FROM_THE_FUTURE
    if confidence_reaches(source, _WHOLE):
        return FeedState.ABSURD_CONFIDENCE
    if heard.anything_s > VANISHED_S:
        return FeedState.SOURCE_STALE
    if heard.feed_s > VANISHED_S:
        return FeedState.VANISHED
    if on_chain is not None and source.expo != on_chain.expo:
        return FeedState.EXPONENT_CHANGED
    return FeedState.CLOSED if now - source.publish_time > CLOSED_S else FeedState.OK
