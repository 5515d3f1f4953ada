"""What is wrong with a feed has a name."""

import pytest

from keeper.domain.feed_state import FeedState, Heard, feed_state
from keeper.domain.price import Price

NOON = 1_700_000_000
FINE = Price(100, 1, -8, NOON)
JUST_NOW = Heard(0.1, 0.1)


@pytest.mark.parametrize(
    ("source", "heard", "state"),
    [
        (FINE, JUST_NOW, FeedState.OK),
        (None, Heard(None, 0.1), FeedState.NO_PRICE),
        (FINE._replace(publish_time=NOON - 61), JUST_NOW, FeedState.CLOSED),
        (FINE._replace(publish_time=NOON - 60), JUST_NOW, FeedState.OK),
        (FINE, Heard(31.0, 0.1), FeedState.VANISHED),
        (FINE, Heard(31.0, 31.0), FeedState.SOURCE_STALE),
        (FINE._replace(price=0), JUST_NOW, FeedState.INVALID_PRICE),
        (FINE._replace(price=-5), JUST_NOW, FeedState.INVALID_PRICE),
        (FINE._replace(conf=100), JUST_NOW, FeedState.ABSURD_CONFIDENCE),
        (FINE._replace(conf=99), JUST_NOW, FeedState.OK),
        (FINE._replace(expo=-5), JUST_NOW, FeedState.EXPONENT_CHANGED),
        (FINE._replace(publish_time=NOON + 6), JUST_NOW, FeedState.FROM_THE_FUTURE),
        (FINE._replace(publish_time=NOON + 5), JUST_NOW, FeedState.OK),
    ],
)
def test_names_what_is_wrong(source: Price | None, heard: Heard, state: FeedState) -> None:
    assert feed_state(source, FINE._replace(price=90), heard, NOON) is state


def test_a_feed_that_was_never_pushed_has_no_exponent_to_differ_from() -> None:
    assert feed_state(FINE, None, JUST_NOW, NOON) is FeedState.OK
