"""A line of the log, and how it calls feeds and amounts."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from keeper.domain.units import FeedId, Wei

_MOST_NAMED = 5
"""Feeds named in a sentence; the rest are counted."""
_SHORT_ID = 8
_WEI_EXPONENT = -18


class Line(NamedTuple):
    """One line of the log."""

    name: str
    """Stable: what machines look for."""
    text: str
    fields: dict[str, Any]


class FeedNames:
    """What to call the feeds."""

    def __init__(self, aliases: Mapping[FeedId, str]) -> None:
        self._names = {feed: alias if alias != feed else feed[:_SHORT_ID] for feed, alias in aliases.items()}

    def of(self, feeds: Iterable[FeedId]) -> list[str]:
        """A name for each."""
        return [self._names.get(feed, feed[:_SHORT_ID]) for feed in feeds]


def listed(names: Sequence[str]) -> str:
    """Some of the names, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:_MOST_NAMED])} and {more} more"


def coins(amount: Wei) -> str:
    """An amount in the chain's coin, to four digits."""
    four_digits = f"{Decimal(amount).scaleb(_WEI_EXPONENT):.4g}"
    return f"{Decimal(four_digits):f} coins"
