"""A journal in memory, that fails when it is told to."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from keeper.domain.accounting import cost_of
from keeper.domain.errors import JournalError, MandateLost
from keeper.domain.transaction import Flight
from keeper.domain.units import Wei
from keeper.ports import Account, Note, Recovered
from tests.support.flights import recovered


@dataclass
class Story:
    """All that is known of one push."""

    flight: Flight
    notes: list[Note] = field(default_factory=list)
    mined_at: float | None = None
    ended_at: float | None = None


@dataclass
class Shelf:
    """What outlives a journal: give it to another one, and that is a restart."""

    stories: dict[Account, dict[int, Story]] = field(default_factory=dict)
    epochs: dict[tuple[int, str], int] = field(default_factory=dict)
    """Of the newest terms, by chain and address."""


@dataclass
class FakeJournal:
    """See Journal."""

    shelf: Shelf = field(default_factory=Shelf)
    failure: str = ""
    """While it says something, that is what every method fails with."""
    delay_s: float = 0.0
    """How long it takes to be opened."""
    opened: int = 0
    """How often that was tried."""
    is_open: bool = False
    degraded: bool = False
    epochs: dict[Account, int] = field(default_factory=dict)
    """Of the terms that were begun here."""

    async def open(self) -> None:
        self.opened += 1
        await asyncio.sleep(self.delay_s)
        self._check()
        self.is_open = True

    async def begin_term(self, account: Account) -> int:
        self.epochs.pop(account, None)
        self._check()
        key = account.chain_id, account.address
        self.shelf.epochs[key] = self.epochs[account] = self.shelf.epochs.get(key, 0) + 1
        return self.epochs[account]

    async def record(self, account: Account, flight: Flight, note: Note) -> None:
        if not self.is_open:
            raise JournalError("the journal is not open")
        self._check()
        newest = self.shelf.epochs.get((account.chain_id, account.address), 0)
        if newest > self.epochs.get(account, newest):
            raise MandateLost("another keeper has begun to send")
        story = self.shelf.stories.setdefault(account, {}).setdefault(flight.push, Story(flight))
        story.flight = flight
        if note not in story.notes:
            story.notes.append(note)
        story.mined_at = None if flight.receipt is None else story.mined_at if story.mined_at is not None else note.at
        if flight.end is not None and story.ended_at is None:
            story.ended_at = note.at

    async def recover(self, account: Account) -> Recovered:
        self._check()
        stories = self.shelf.stories.get(account, {})
        under_way = [recovered(story.flight) for story in stories.values() if story.flight.end is None]
        return Recovered(sorted(under_way, key=lambda flight: flight.nonce), max(stories, default=0))

    async def spent(self, account: Account, since: float) -> Wei:
        self._check()
        mined = [
            story.flight
            for story in self.shelf.stories.get(account, {}).values()
            if story.mined_at is not None and story.mined_at >= since
        ]
        return Wei(sum(cost.total for flight in mined if (cost := cost_of(flight)) is not None))

    async def prune(self, before: float) -> int:
        self._check()
        pruned = 0
        for stories in self.shelf.stories.values():
            old = [push for push, story in stories.items() if story.ended_at is not None and story.ended_at < before]
            for push in set(old) - {max(stories)}:
                del stories[push]
                pruned += 1
        return pruned

    async def close(self) -> None:
        self.is_open = False

    def notes(self, account: Account, push: int) -> Sequence[Note]:
        """The history of a push."""
        return self.shelf.stories[account][push].notes

    def _check(self) -> None:
        if self.failure:
            raise JournalError(self.failure)
