"""Prices for tests: signed events of any feeds at any moment."""

from collections.abc import Mapping
from dataclasses import replace

from keeper.domain import accumulator
from keeper.domain.units import FeedId
from keeper.ports import PriceEvent
from tests.support.clock import LoopClock
from tests.support.updates import PLAIN, Envelope, Quote, build_update

FEEDS = tuple(FeedId(f"{number:064x}") for number in range(1, 1001))


class Market:
    """Every `event` is one slot later and holds the feeds asked for, published now unless said otherwise."""

    def __init__(self) -> None:
        self._slot = 1000
        self._clock = LoopClock()

    def event(
        self, prices: Mapping[str, int], *, ahead_s: int = 0, source: str = "test", sealed: Envelope = PLAIN
    ) -> PriceEvent:
        """Prices by feed: `F1` is the first of FEEDS; the exponent is -8."""
        self._slot += 1
        publish_time = int(self._clock.now()) + ahead_s
        messages = [
            Quote(feed_id=FEEDS[int(name[1:]) - 1], price=price, conf=1, publish_time=publish_time).message()
            for name, price in prices.items()
        ]
        blob = build_update(messages, replace(sealed, slot=self._slot))
        return PriceEvent((accumulator.decode(blob),), source, self._clock.monotonic())
