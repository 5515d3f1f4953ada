"""What frames are made of."""

from enum import IntEnum

import msgspec


class Priority(IntEnum):
    """What a slow client loses last has the highest."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


class Frame(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    """What all have."""

    id: str
    """`boot-sequence`: the boot is the process', the sequence counts from 1."""
    at: float
    """When it happened."""


class OfNetwork(Frame, frozen=True, kw_only=True):
    """What all about one network have."""

    network: str


class StreamPrice(msgspec.Struct, frozen=True):
    """One price: `price` and `conf` are integers to be multiplied by 10**expo."""

    price: str
    conf: str
    expo: int
    value: str
    """The price as a decimal number."""
    publish_time: int


class Feed(msgspec.Struct, frozen=True):
    """A feed by both its names."""

    feed: str
    """64 hexadecimal digits."""
    alias: str
