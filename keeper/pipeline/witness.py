"""Whose prices come to the chain: ours, or somebody else's."""

from collections import deque
from collections.abc import Collection, Mapping

from keeper.domain.price import Price
from keeper.domain.sightings import Origin, Sightings, StateUpdate
from keeper.domain.units import FeedId
from keeper.pipeline.rivals import Rivals
from keeper.ports import Clock

_REMEMBERED = 8
"""Prices of each feed."""


class Witness:
    """Told of all that is new on chain, and of what we push."""

    def __init__(self, *, clock: Clock, rivals: Rivals) -> None:
        self.sightings = Sightings()
        self._clock = clock
        self._rivals = rivals
        self._pushed: dict[FeedId, deque[Price]] = {}
        """The last prices that may yet be stored by a push of ours."""

    def pushes(self, prices: Mapping[FeedId, Price]) -> None:
        """A push of ours carries these."""
        for feed_id, price in prices.items():
            self._pushed.setdefault(feed_id, deque(maxlen=_REMEMBERED)).append(price)

    def stored_none_of(self, feeds: Collection[FeedId], prices: Mapping[FeedId, Price]) -> None:
        """A push of ours that carried these prices did not store those of the feeds: whoever did is somebody else."""
        for feed_id in feeds:
            pushed = self._pushed.get(feed_id, ())
            self._pushed[feed_id] = deque((price for price in pushed if price != prices[feed_id]), _REMEMBERED)

    def told(self, feed_id: FeedId, publish_time: int, block: int, origin: Origin) -> None:
        """A price is new on chain, and whose it is is known."""
        self.sightings.add(StateUpdate(feed_id, publish_time, block, origin, self._clock.now()))
        if origin is Origin.OTHER:
            self._rivals.wrote(feed_id, self._clock.monotonic())

    def read(self, feed_id: FeedId, known: Price | None, price: Price | None, block: int, *, told: bool) -> None:
        """A read shows this price where `known` was thought to be: its author is found by what we push.

        `told`: that blocks were taken back is known already.
        """
        if known is not None and (price is None or price.publish_time < known.publish_time):
            self.sightings.taken_back += not told
        elif price is not None and (known is None or price.publish_time > known.publish_time):
            own = price in self._pushed.get(feed_id, ())
            self.told(feed_id, price.publish_time, block, Origin.SELF if own else Origin.OTHER)
