"""Price events made before the clock runs: truly signed, and in each of them one feed has moved by 1%."""

import time
from dataclasses import dataclass

from keeper.domain.price import Price
from keeper.domain.units import FeedId
from keeper.lab.hermes.feeds import Catalogue
from keeper.lab.hermes.signers import DEVNET_SIGNER_KEY, SignerSet
from keeper.lab.hermes.updates import PYTHNET, PriceMessage, SignedSlot
from keeper.lab.hermes.wire import data_event, price_update

PER_CONNECTION = 500
"""Feeds that a keeper asks for over one connection."""
_LONG_AGO_S = 20_000
"""Publish times start so far back: there is a second for every event, and none of them in the future."""
_STRIDE = 7
"""The due feed moves through the list by so many places."""
_CONF_DIVISOR = 2_000


@dataclass(frozen=True, slots=True)
class PriceEvent:
    """One event of a stream with all feeds in it."""

    bodies: tuple[bytes, ...]
    """The JSON of the update, one for each connection."""
    due: FeedId | None
    """The feed that has moved; None where none has."""

    def chunk(self, connection: int = 0) -> bytes:
        """The event as it goes over the wire: one HTTP chunk."""
        event = data_event(self.bodies[connection])
        return b"%x\r\n%b\r\n" % (len(event), event)


@dataclass(frozen=True, slots=True)
class Tape:
    """All events of a measurement, and what is on chain before the first of them."""

    on_chain: dict[FeedId, Price]
    """By feed, in the order in which the feeds are spread over connections."""
    opening: PriceEvent
    """News of all feeds, none of them due."""
    events: list[PriceEvent]


def record(feeds: int, events: int, *, quiet: int = 0) -> Tape:
    """Events for so many feeds, each a second newer than the last; nothing moves in the first `quiet` of them."""
    catalogue = Catalogue(feeds).feeds
    signers = SignerSet([DEVNET_SIGNER_KEY])
    start = int(time.time()) - _LONG_AGO_S
    prices = [feed.start_price for feed in catalogue]

    def event(number: int, due: FeedId | None) -> PriceEvent:
        messages = [
            PriceMessage(
                feed_id=feed.id,
                price=price,
                conf=price // _CONF_DIVISOR,
                expo=feed.expo,
                publish_time=start + number,
                prev_publish_time=start + number - 1,
                ema_price=price,
                ema_conf=price // _CONF_DIVISOR,
            )
            for feed, price in zip(catalogue, prices, strict=True)
        ]
        slot = SignedSlot(number, messages, timestamp=start + number, signers=signers, emitter=PYTHNET)
        parts = [range(first, min(first + PER_CONNECTION, feeds)) for first in range(0, feeds, PER_CONNECTION)]
        bodies = (price_update([(slot, at) for at in part], encoding="base64", parsed=False) for part in parts)
        return PriceEvent(tuple(bodies), due)

    on_chain = {feed.id: Price(feed.start_price, 0, feed.expo, start) for feed in catalogue}
    opening = event(1, None)
    recorded = []
    for number in range(events):
        due = number * _STRIDE % feeds if number >= quiet else None
        if due is not None:
            first = catalogue[due].start_price
            prices[due] = first + first // 100 if prices[due] == first else first
        recorded.append(event(number + 2, None if due is None else catalogue[due].id))
    return Tape(on_chain, opening, recorded)
