"""Frames of the stream itself, to one client alone."""

from typing import Literal

import msgspec


class HelloFrame(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """The first of all: where the stream begins."""

    id: str
    """Whatever comes after the frame with this id, and is wanted and kept, follows."""
    at: float
    boot: str
    """Another one after each start of the keeper."""
    newest: str
    """The id of the newest frame."""
    whole: bool
    """Whether nothing is missing since the id that the client gave."""
    missed: list[Literal["low", "medium", "high"]]
    """Of these priorities frames may be missing: read /status anew."""


class DroppedFrame(msgspec.Struct, frozen=True, tag_field="type", tag="dropped"):
    """The client was too slow: so many frames of each priority gave way since this was last told."""

    low: int
    medium: int
    high: int
