"""What to do when the journal fails: send nothing until it works again, or go on and write down later what happened."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from typing import Never, TypeAlias

from keeper.domain.errors import JournalError, MandateLost
from keeper.domain.events import JournalFailed, JournalRecovered
from keeper.domain.transaction import Flight
from keeper.domain.units import Wei
from keeper.ports import Account, Clock, Emit, Journal, Note, Recovered

BACKLOG_LIMIT = 5_000
_KEPT_LONGEST = frozenset({"signed", "mined"})
_OPEN_S = 10.0
"""A journal that cannot be opened at the start is given this long."""
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_LAST_TRY_S = 5.0
_FIRST_PRUNE_S = 60.0
_PRUNE_EVERY_S = 3600.0
_MS = 1000

_Record: TypeAlias = tuple[Account, Flight, Note]


class OnFailure(StrEnum):
    """What a failing journal means for sending."""

    STOP = "stop"
    """Nothing new is signed."""
    CONTINUE = "continue"
    """Sending goes on."""


class DurableJournal:
    """A Journal over one that may fail.

    With CONTINUE no method but `prune` raises. What cannot be written waits in memory, and is written in order as soon
    as that works again; `degraded` tells so. With STOP the same is done with what happens to transactions that are
    out, while records of newly signed ones raise.

    Past BACKLOG_LIMIT records the oldest go that tell of neither a signature nor a receipt, and then the oldest of all.
    A record holds the whole state of its flight: with an old one only a line of history is lost.
    """

    def __init__(self, journal: Journal, *, on_failure: OnFailure, clock: Clock, emit: Emit) -> None:
        self._journal = journal
        self._on_failure = on_failure
        self._clock = clock
        self._emit = emit
        self._backlog: deque[_Record] = deque()
        self._epochs: dict[Account, int] = {}
        """Of the terms that were begun here last."""
        self._waited = 0
        self._lost = 0
        self._writing: asyncio.Task[None] | None = None
        self.degraded = False
        """Whether the journal fails, or is behind."""

    async def open(self) -> None:
        """See Journal."""
        try:
            async with asyncio.timeout(_OPEN_S):
                await _until_it_works(self._journal.open)
        except TimeoutError:
            await self._open_or_go_on()

    async def _open_or_go_on(self) -> None:
        try:
            await self._journal.open()
        except JournalError as exc:
            self._fail(exc)
            if self._on_failure is OnFailure.STOP:
                raise
            self._write_later()

    async def begin_term(self, account: Account) -> int:
        """See Journal. Where that cannot be written: 0, and what another process records meanwhile goes unnoticed."""
        try:
            epoch = await self._journal.begin_term(account)
        except JournalError as exc:
            self._fail(exc)
            if self._on_failure is OnFailure.STOP:
                raise
            return 0
        if epoch != self._epochs.get(account, epoch - 1) + 1:
            self._leave_to_others(account)
        self._epochs[account] = epoch
        return epoch

    def _leave_to_others(self, account: Account) -> None:
        """Another process has sent since: what still waits to be written is older than what that one has settled."""
        kept = [record for record in self._backlog if record[0] != account]
        self._lost += len(self._backlog) - len(kept)
        self._backlog.clear()
        self._backlog.extend(kept)

    async def record(self, account: Account, flight: Flight, note: Note) -> None:
        """See Journal."""
        if not self._backlog:
            try:
                await self._journal.record(account, flight, note)
            except JournalError as exc:
                self._fail(exc)
                if self._refuses(note):
                    raise
            else:
                self._recover_if_all_is_written()
                return
        elif self._refuses(note):
            raise JournalError("the journal is behind: nothing is sent until it has caught up (JOURNAL_ON_FAILURE)")
        self._keep((account, flight, note))

    async def recover(self, account: Account) -> Recovered:
        """See Journal. Where it cannot be read: nothing, and numbers from the clock, so that none is used twice."""
        try:
            return await self._journal.recover(account)
        except JournalError as exc:
            self._fail(exc)
            if self._on_failure is OnFailure.STOP:
                raise
            return Recovered((), last_push=int(self._clock.now() * _MS))

    async def spent(self, account: Account, since: float) -> Wei:
        """See Journal. Where it cannot be read: nothing."""
        try:
            return await self._journal.spent(account, since)
        except JournalError as exc:
            self._fail(exc)
            if self._on_failure is OnFailure.STOP:
                raise
            return Wei(0)

    async def prune(self, before: float) -> int:
        """See Journal."""
        return await self._journal.prune(before)

    async def close(self) -> None:
        """Write what still waits, for a bounded time, and let go of the journal."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        if self._backlog:
            with suppress(JournalError, TimeoutError):
                async with asyncio.timeout(_LAST_TRY_S):
                    await self._write_backlog()
        if self._backlog:
            self._emit(JournalFailed(f"what happened last could not be written (records: {len(self._backlog)})"))
        await self._journal.close()

    def _refuses(self, note: Note) -> bool:
        return self._on_failure is OnFailure.STOP and note.kind == "signed"

    def _fail(self, error: JournalError) -> None:
        """Alarm, once for every time that it fails."""
        if not self.degraded:
            self.degraded = True
            self._emit(JournalFailed(str(error)))

    def _recover_if_all_is_written(self) -> None:
        if self.degraded and not self._backlog:
            self.degraded = False
            self._emit(JournalRecovered(self._waited, self._lost))
            self._waited = self._lost = 0

    def _keep(self, record: _Record) -> None:
        if len(self._backlog) >= BACKLOG_LIMIT:
            kinds = (note.kind for _, _, note in self._backlog)
            del self._backlog[next((place for place, kind in enumerate(kinds) if kind not in _KEPT_LONGEST), 0)]
            self._lost += 1
        self._backlog.append(record)
        self._write_later()

    def _write_later(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(_until_it_works(self._write_backlog), name="journal backlog")

    async def _write_backlog(self) -> None:
        await self._journal.open()
        while self._backlog:
            record = self._backlog[0]
            try:
                await self._journal.record(*record)
                self._waited += 1
            except MandateLost:  # whoever sends now has settled it
                self._lost += 1
            if self._backlog and self._backlog[0] is record:
                self._backlog.popleft()
        self._recover_if_all_is_written()


async def _until_it_works(work: Callable[[], Awaitable[None]]) -> None:
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return await work()
        except JournalError:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


async def prune_hourly(journal: Journal, *, retention_s: float, clock: Clock) -> Never:
    """Keep the journal from growing; where that fails, the next hour will do."""
    await asyncio.sleep(_FIRST_PRUNE_S)
    while True:
        with suppress(JournalError):
            await journal.prune(clock.now() - retention_s)
        await asyncio.sleep(_PRUNE_EVERY_S)
