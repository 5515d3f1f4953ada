"""Units and identifiers, as types."""

import string
from typing import NewType

from keeper.domain.errors import UsageError

Wei = NewType("Wei", int)
Gas = NewType("Gas", int)
Ppm = NewType("Ppm", int)
"""Parts per million: 1% is 10,000 ppm."""
FeedId = NewType("FeedId", str)
"""A price feed: 64 lower-case hex digits, no 0x."""

MILLION = 1_000_000
WEI_PER_GWEI = 10**9

_HEX = frozenset(string.hexdigits)


def parse_feed_id(text: str) -> FeedId:
    """Read a feed id with or without 0x, in either case; raises UsageError otherwise."""
    digits = text.strip().lower().removeprefix("0x")
    if len(digits) != 64 or not _HEX.issuperset(digits):
        raise UsageError(f"{text!r} is not a price feed id: 64 hex digits are wanted, 0x in front is fine")
    return FeedId(digits)
