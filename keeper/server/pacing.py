"""Long work on the event loop, done a little at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

BATCH = 50
"""Items between two turns of the loop; at about 10 microseconds each the loop never waits for a millisecond."""


async def paced(items: Iterable[T]) -> list[T]:
    """All the items, with a turn of the event loop after every batch.

    A thread would not do: it holds the interpreter's lock for 5 ms at a time against a loop that wants to run.
    """
    collected: list[T] = []
    async for batch in batches(items):
        collected += batch
    return collected


async def batches(items: Iterable[T]) -> AsyncIterator[list[T]]:
    """The same, batch by batch."""
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH)):
        yield batch
        await asyncio.sleep(0)
