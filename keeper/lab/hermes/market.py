"""The state of every feed, and how it moves from slot to slot."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from keeper.domain.errors import UsageError
from keeper.domain.units import FeedId
from keeper.lab.hermes.config import NOMINAL_INTERVAL_MS, SimulatorConfig
from keeper.lab.hermes.feeds import Catalogue, Feed
from keeper.lab.hermes.prices import MAX_PRICE, PriceModel, Quote, RandomWalk, Replay, quote_at
from keeper.lab.hermes.recordings import read_recording
from keeper.lab.hermes.updates import PriceMessage

_EMA_SLOTS = 256
"""An average follows its price by this fraction a slot."""


@dataclass(slots=True)
class MarketFeed:
    """One feed as it stands, and what disturbs it."""

    feed: Feed
    model: PriceModel
    quote: Quote
    ema: Quote
    publish_time: int
    prev_publish_time: int
    jump_to: Quote | None = None
    """Taken at the next slot in place of the model's quote."""
    frozen: bool = False
    shift_s: int = 0
    removed: bool = False
    entitled: bool = True

    def advance(self, now_s: int) -> None:
        """Move on by one slot; a frozen feed keeps its times and moves by jumps alone."""
        still = self.frozen or self.model.ended
        if self.jump_to is not None:
            self.quote, self.jump_to = self.jump_to, None
        elif not still:
            self.quote = self.model.next(self.quote)
        if not still:
            self.prev_publish_time, self.publish_time = self.publish_time, now_s + self.shift_s
            self.ema = Quote(_follow(self.ema.price, self.quote.price), _follow(self.ema.conf, self.quote.conf))

    def message(self) -> PriceMessage:
        """The feed as it is signed."""
        return PriceMessage(
            feed_id=self.feed.id,
            price=self.quote.price,
            conf=self.quote.conf,
            expo=self.feed.expo,
            publish_time=self.publish_time,
            prev_publish_time=self.prev_publish_time,
            ema_price=self.ema.price,
            ema_conf=self.ema.conf,
        )

    def as_json(self) -> dict[str, object]:
        """The feed as the control route tells it."""
        return {
            "id": self.feed.id,
            "symbol": self.feed.symbol,
            "price": str(self.quote.price),
            "conf": str(self.quote.conf),
            "expo": self.feed.expo,
            "publish_time": self.publish_time,
            "frozen": self.frozen,
            "shift_s": self.shift_s,
            "removed": self.removed,
            "entitled": self.entitled,
        }


class Market:
    """All feeds of a simulator."""

    def __init__(self, config: SimulatorConfig, *, now_s: int) -> None:
        """Reads the recordings; raises UsageError for a bad file, an unknown feed or a bad number of feeds."""
        self._config = config
        self.catalogue = Catalogue(config.feeds)
        replays = _replays(config, self.catalogue)
        self.feeds = [
            _at_start(feed, replays.get(feed.id) or _walk(feed, config), now_s=now_s) for feed in self.catalogue.feeds
        ]
        self.deny(config.not_entitled)

    def advance(self, now_s: int) -> list[PriceMessage]:
        """Move every feed on by one slot; the new prices in the order of the catalogue."""
        for feed in self.feeds:
            feed.advance(now_s)
        return [feed.message() for feed in self.feeds]

    def find(self, name: str) -> MarketFeed:
        """A feed by symbol or id; raises UsageError where there is none."""
        return self.feeds[self.catalogue.find(name)]

    def select(self, names: Sequence[str] | None) -> list[MarketFeed]:
        """The feeds by symbol or id, or all; raises UsageError where there is none of that name."""
        return self.feeds if names is None else [self.find(name) for name in names]

    def set_volatility(self, volatility_ppm: int, names: Sequence[str] | None = None) -> None:
        """Change the step of these walks, or of all; raises UsageError for a feed that replays a file."""
        states = self.select(names)
        walks = [state.model for state in states if isinstance(state.model, RandomWalk)]
        if names is not None and len(walks) < len(states):
            raise UsageError("a feed that replays a recording has no volatility to set")
        for walk in walks:
            walk.volatility_ppm = volatility_ppm

    def reset(self) -> None:
        """Let nothing disturb the feeds any more; prices stay where they are."""
        for state in self.feeds:
            state.frozen = state.removed = False
            state.shift_s = 0
        self.set_volatility(self._config.volatility_ppm)
        self.deny(self._config.not_entitled)

    def deny(self, names: Collection[str]) -> None:
        """Let the API key cover every feed but these; raises UsageError for an unknown one."""
        denied = {self.catalogue.find(name) for name in names}
        for index, state in enumerate(self.feeds):
            state.entitled = index not in denied

    def jump(self, name: str, *, percent: Decimal | None = None, price: Decimal | None = None) -> None:
        """Let a feed's next slot show a price this many percent away, or this very price (in its own unit).

        Raises UsageError where neither or both are given, or where the price cannot be served.
        """
        state = self.find(name)
        try:
            target = _jump_target(state, percent=percent, price=price)
            served = 1 <= target <= MAX_PRICE
        except ArithmeticError:
            served = False
        if not served:
            raise UsageError(f"{state.feed.symbol} cannot jump there: prices are positive and, scaled, fit 62 bits")
        state.jump_to = quote_at(round(target))


def _jump_target(state: MarketFeed, *, percent: Decimal | None, price: Decimal | None) -> Decimal:
    """Scaled as the feed's prices are, not yet rounded."""
    if percent is not None and price is None:
        return state.quote.price * (100 + percent) / 100
    if price is not None and percent is None:
        return price.scaleb(-state.feed.expo)
    raise UsageError("a jump goes by percent or to a price: give one of the two")


def _walk(feed: Feed, config: SimulatorConfig) -> RandomWalk:
    return RandomWalk(feed.start_price, volatility_ppm=config.volatility_ppm, seed=f"{config.seed}/{feed.symbol}")


def _replays(config: SimulatorConfig, catalogue: Catalogue) -> dict[FeedId, Replay]:
    step_ms = (config.interval_ms or NOMINAL_INTERVAL_MS) * config.speed
    replays = {}
    for name, path in config.recordings.items():
        feed = catalogue.feeds[catalogue.find(name)]
        replays[feed.id] = Replay(read_recording(path, expo=feed.expo), step_ms=step_ms, loop=config.loop)
    return replays


def _at_start(feed: Feed, model: PriceModel, *, now_s: int) -> MarketFeed:
    return MarketFeed(feed, model, quote=model.first, ema=model.first, publish_time=now_s, prev_publish_time=now_s)


def _follow(average: int, value: int) -> int:
    return average + (value - average) // _EMA_SLOTS
