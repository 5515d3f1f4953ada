"""A listener that remembers what it was told, and checks what every listener may rely on."""

from collections.abc import Sequence
from typing import NamedTuple

from keeper.domain.transaction import FeedWrite
from keeper.ports import Head


class Told(NamedTuple):
    """Prices of one transaction."""

    writes: tuple[FeedWrite, ...]
    block: int
    tx_hash: bytes


class RecordingListener:
    """What was told, in order."""

    def __init__(self) -> None:
        self.live: list[bool] = []
        """Every change."""
        self.heads: list[Head] = []
        self.written: list[Told] = []
        self.unwritten: list[Told] = []
        self.changes: list[tuple[str, int]] = []

    def on_live(self, *, live: bool) -> None:
        assert not self.live or self.live[-1] != live, "told twice"
        self.live.append(live)

    def on_head(self, head: Head) -> None:
        self.heads.append(head)

    def on_writes(self, writes: Sequence[FeedWrite], block: int, tx_hash: bytes) -> None:
        self.written.append(Told(tuple(writes), block, tx_hash))

    def on_change(self, name: str, block: int) -> None:
        self.changes.append((name, block))

    def on_unwritten(self, writes: Sequence[FeedWrite], block: int, tx_hash: bytes) -> None:
        self.unwritten.append(Told(tuple(writes), block, tx_hash))

    @property
    def is_live(self) -> bool:
        return bool(self.live) and self.live[-1]

    @property
    def numbers(self) -> list[int]:
        """Of the heads."""
        return [head.number for head in self.heads]

    @property
    def newest(self) -> int:
        """Number of the last head."""
        return self.heads[-1].number

    @property
    def chain(self) -> list[Head]:
        """The heads that stand: one with the number of another, or a lower one, replaces it."""
        standing: list[Head] = []
        for head in self.heads:
            while standing and standing[-1].number >= head.number:
                standing.pop()
            standing.append(head)
        return standing

    @property
    def prices(self) -> list[FeedWrite]:
        """Stored and not taken back, in order."""
        standing = [(told.block, told.tx_hash, write) for told in self.written for write in told.writes]
        for told in self.unwritten:
            for write in told.writes:
                standing.remove((told.block, told.tx_hash, write))
        return [write for _, _, write in standing]
