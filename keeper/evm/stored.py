"""Prices that the contract stored: told once each, and taken back when the chain gives up their block. Pure."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from keeper.domain.transaction import FeedWrite
from keeper.evm import pyth
from keeper.evm.shapes import Log, PlacedLog
from keeper.evm.wire import octets, quantity
from keeper.ports import Head


class Stored(NamedTuple):
    """An event of the contract, and where it stands."""

    write: FeedWrite
    tx_hash: bytes
    block: int
    block_hash: bytes
    position: int
    removed: bool = False
    """Whether this is its withdrawal."""


class Batch(NamedTuple):
    """Prices of one transaction."""

    writes: tuple[FeedWrite, ...]
    block: int
    tx_hash: bytes
    removed: bool


def feed_write(log: Log, contract: str) -> FeedWrite | None:
    """The price that the contract stored; None for other events, and for those of other contracts."""
    if log.address.lower() != contract.lower() or len(log.topics) != 2:
        return None
    topic, feed_topic = map(octets, log.topics)
    return pyth.read_write(feed_topic, octets(log.data)) if topic == pyth.PRICE_FEED_UPDATE else None


def change(log: Log, contract: str) -> str:
    """The name of the event by which the contract tells that it was changed; empty for any other."""
    if log.address.lower() != contract.lower() or not log.topics:
        return ""
    return pyth.CHANGES.get(octets(log.topics[0]), "")


def stored(log: PlacedLog, contract: str) -> Stored | None:
    """The same with its place; raises Transient for a log that stands nowhere."""
    write = feed_write(log, contract)
    if write is None:
        return None
    return Stored(
        write=write,
        tx_hash=octets(log.transaction_hash),
        block=quantity(log.block_number),
        block_hash=octets(log.block_hash),
        position=quantity(log.log_index),
        removed=log.removed,
    )


class StoredPrices:
    """What was told, as far back as a reorganisation may reach."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        """So many blocks."""
        self._told: dict[int, dict[tuple[bytes, int], Stored]] = {}
        """By block number, and by block hash and position."""

    def take(self, events: Iterable[Stored]) -> Iterator[Batch]:
        """What is news of it, in order: nothing is told twice, nor taken back that was not told."""
        news = (event for event in events if (self._forget if event.removed else self._add)(event))
        return _batches(news)

    def take_head(self, head: Head) -> Iterator[Batch]:
        """What stood in another block of the same number is taken back."""
        for number in [number for number in self._told if number <= head.number - self._depth]:
            del self._told[number]
        told = self._told.get(head.number, {})
        orphans = [event for event in told.values() if event.block_hash != head.hash]
        return self.take(event._replace(removed=True) for event in orphans)

    def _add(self, event: Stored) -> bool:
        told = self._told.setdefault(event.block, {})
        known = (event.block_hash, event.position) in told
        told[event.block_hash, event.position] = event
        return not known

    def _forget(self, event: Stored) -> bool:
        return self._told.get(event.block, {}).pop((event.block_hash, event.position), None) is not None


def _batches(events: Iterable[Stored]) -> Iterator[Batch]:
    for (block, tx_hash, removed), group in groupby(events, lambda event: (event.block, event.tx_hash, event.removed)):
        yield Batch(tuple(event.write for event in group), block, tx_hash, removed)
