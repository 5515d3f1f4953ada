"""Where prices come from: a seeded random walk, or a replay of recorded market data."""

import random
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from keeper.domain.units import MILLION

MAX_PRICE = 2**62
"""Half of what a signed 64-bit price can hold: room for the steps of a walk."""

_THOUSAND = 1000
_CONFIDENCE_PPM = 500


class Quote(NamedTuple):
    """A price and its confidence, both scaled by the feed's 10**expo."""

    price: int
    conf: int


def quote_at(price: int) -> Quote:
    """A quote at this price with an ordinary confidence, 500 ppm of it."""
    return Quote(price, price * _CONFIDENCE_PPM // MILLION)


class PriceModel(Protocol):
    """Tells a feed's next quote from its current one; called once a slot."""

    @property
    def first(self) -> Quote:
        """The quote to start from."""

    @property
    def ended(self) -> bool:
        """Whether no more quotes will come: the feed's market is closed."""

    def next(self, current: Quote) -> Quote:
        """The quote of the next slot."""


class RandomWalk:
    """Each step moves the price by a normally distributed share of it; equal seeds make equal walks."""

    ended = False

    def __init__(self, start_price: int, *, volatility_ppm: int, seed: str) -> None:
        """`volatility_ppm` is the standard deviation of one step; 0 stands still."""
        self.first = quote_at(start_price)
        self.volatility_ppm = volatility_ppm
        self._random = random.Random(seed)

    def next(self, current: Quote) -> Quote:
        """Draws one step, even when standing still, so that a walk keeps its course when it is woken."""
        step_ppb = round(self._random.gauss() * self.volatility_ppm * _THOUSAND)
        if step_ppb == 0:
            return current
        moved = current.price + current.price * step_ppb // (MILLION * _THOUSAND)
        return quote_at(min(max(moved, 1), MAX_PRICE))


class Row(NamedTuple):
    """A recorded quote and its time in Unix milliseconds."""

    at_ms: int
    quote: Quote


class Replay:
    """Recorded quotes at the pace of their timestamps; from the start again after the last, or ended there."""

    def __init__(self, rows: Sequence[Row], *, step_ms: float, loop: bool) -> None:
        """`step_ms` is how much recorded time passes in one slot; rows are in the order of their times."""
        self.first = rows[0].quote
        self._quotes = [row.quote for row in rows]
        self._offsets_ms = [row.at_ms - rows[0].at_ms for row in rows]
        self._step_ms = step_ms
        self._loop = loop
        self._steps = 0
        self._row = 0

    @property
    def ended(self) -> bool:
        """Whether the last row has had its time, and the replay does not loop."""
        return not self._loop and self._position_ms > self._offsets_ms[-1]

    def next(self, current: Quote) -> Quote:
        """The row whose time has come; until then the current quote stays, and so does a jump."""
        self._steps += 1
        row = bisect_right(self._offsets_ms, self._position_ms) - 1
        if row == self._row:
            return current
        self._row = row
        return self._quotes[row]

    @property
    def _position_ms(self) -> int:
        """How far into the recording the replay is; a loop rests one slot on its last row."""
        elapsed_ms = round(self._steps * self._step_ms)
        if not self._loop:
            return elapsed_ms
        return elapsed_ms % (self._offsets_ms[-1] + max(1, round(self._step_ms)))
