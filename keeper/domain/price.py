"""A price, and integer arithmetic on prices whose exponents may differ."""

from typing import NamedTuple

from keeper.domain.units import MILLION, Ppm

_MAX_EXPONENT = 64
"""Far beyond any real feed; keeps hostile exponents from costing time."""


class Price(NamedTuple):
    """One price of one feed: the value is `price * 10**expo`, `conf` has the same scale.

    `publish_time` is in whole Unix seconds, as signed by the source and as stored on chain.
    """

    price: int
    conf: int
    expo: int
    publish_time: int


def aligned(first: Price, second: Price) -> tuple[int, int]:
    """Both prices as integers at the smaller of their exponents; only for usable ones, whose exponents are bounded."""
    shift = first.expo - second.expo
    if shift == 0:
        return first.price, second.price
    if shift > 0:
        return first.price * 10**shift, second.price
    return first.price, second.price * 10**-shift


def deviates(source: Price, reference: Price, threshold: Ppm) -> bool:
    """Whether |source - reference| / |reference| reaches the threshold; always so from a reference of zero."""
    new, old = aligned(source, reference)
    return abs(new - old) * MILLION >= threshold * abs(old)


def deviation_ppm(source: Price, reference: Price) -> Ppm | None:
    """|source - reference| / |reference| rounded down, or None where one of them is not usable."""
    if not (usable(source) and usable(reference)):
        return None
    new, old = aligned(source, reference)
    return Ppm(abs(new - old) * MILLION // old)


def confidence_reaches(price: Price, threshold: Ppm) -> bool:
    """Whether conf / |price| reaches the threshold; always so for a price of zero."""
    return price.conf * MILLION >= threshold * abs(price.price)


def confidence_ppm(price: Price) -> Ppm:
    """The confidence interval as a part of |price|, rounded down; only for a price other than zero."""
    return Ppm(price.conf * MILLION // abs(price.price))


def usable(price: Price) -> bool:
    """Whether the price makes sense at all: positive, at a time after 1970, with an exponent that can be computed with.

    The contract reads a publish time without its sign: a negative one would block every genuine update.
    """
    return price.price > 0 and price.publish_time > 0 and -_MAX_EXPONENT <= price.expo <= _MAX_EXPONENT
