"""RLP, as far as transactions need it: byte strings, numbers, and a list of those.

By hand, since every transaction waits for it twice: a general encoder takes several times as long as the curve.
"""

from collections.abc import Iterable

EMPTY_LIST = b"\xc0"
_STRING = 0x80
_LIST = 0xC0
_LONGEST_SHORT = 55


def string(data: bytes) -> bytes:
    """A byte string."""
    return data if len(data) == 1 and data[0] < _STRING else _head(len(data), _STRING) + data


def number(value: int) -> bytes:
    """A number that is not negative: big-endian without leading zeros."""
    return string(value.to_bytes((value.bit_length() + 7) // 8))


def sequence(items: Iterable[bytes]) -> bytes:
    """A list of items that are encoded already."""
    encoded = b"".join(items)
    return _head(len(encoded), _LIST) + encoded


def _head(size: int, kind: int) -> bytes:
    if size <= _LONGEST_SHORT:
        return bytes([kind + size])
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([kind + _LONGEST_SHORT + len(length)]) + length
