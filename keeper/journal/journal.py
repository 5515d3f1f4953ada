"""What both kinds of journal have in common: all but the append itself."""

import asyncio
from abc import ABC, abstractmethod
from functools import partial

import msgspec

from keeper.domain.errors import JournalError, MandateLost
from keeper.domain.transaction import Flight
from keeper.domain.units import Wei
from keeper.journal.changes import Changes, changes
from keeper.journal.database import Database
from keeper.journal.migrate import upgrade
from keeper.journal.queries import account_id, begin_term, prune, recover, spent
from keeper.ports import Account, Note, Recovered

APPEND_S = 2.0
"""A record takes no longer than this, or fails, where nothing else is said."""
_PRUNED_AT_ONCE = 100
"""Few enough that a record hardly waits for them."""


class StoredJournal(ABC):
    """A Journal in tables."""

    def __init__(self, database: Database, *, append_s: float = APPEND_S) -> None:
        self._database = database
        self._append_s = append_s
        self._turn = asyncio.Lock()
        self._ids: dict[Account, int] = {}
        self._epochs: dict[Account, int] = {}
        """Of the terms that were begun here."""
        self._kept: dict[tuple[int, int], Flight] = {}
        """Pushes that have not ended, by account and number, as the tables hold them for certain."""

    async def open(self) -> None:
        """See Journal."""
        async with self._turn:
            self._ids.clear()
            self._kept.clear()
            await self._database.run(upgrade, writes=True)
            await self._connect()

    async def begin_term(self, account: Account) -> int:
        """See Journal."""
        self._epochs.pop(account, None)
        self._epochs[account] = await self._database.run(partial(begin_term, account=account), writes=True)
        return self._epochs[account]

    async def record(self, account: Account, flight: Flight, note: Note) -> None:
        """See Journal."""
        try:
            async with asyncio.timeout(self._append_s), self._turn:
                await self._record(account, flight, note)
        except TimeoutError as exc:
            raise JournalError(
                f"the journal at {self._database} took no record within {self._append_s:g} s: is its disk or its"
                " server overloaded, or does another program hold a lock?"
            ) from exc

    async def _record(self, account: Account, flight: Flight, note: Note) -> None:
        number = await self._id(account)
        key = number, flight.push
        rows = changes(self._kept.pop(key, None), flight, note)
        ours = self._epochs.get(account)
        newest = await self._append(number, rows, ours)
        if ours is not None and newest > ours:
            raise MandateLost(
                f"another keeper has begun to send for {account.address} on chain {account.chain_id}: the journal at"
                f" {self._database} is in term {newest}, and this keeper's was {ours}: it stands by"
            )
        if flight.end is None:
            self._kept[key] = flight

    async def recover(self, account: Account) -> Recovered:
        """See Journal."""
        number = await self._id(account)
        try:
            return await self._database.run(partial(recover, account_id=number))
        except (msgspec.MsgspecError, ValueError) as exc:
            raise JournalError(f"the journal at {self._database} holds a push that cannot be read: {exc}") from exc

    async def spent(self, account: Account, since: float) -> Wei:
        """See Journal."""
        return await self._database.run(partial(spent, account_id=await self._id(account), since=since))

    async def prune(self, before: float) -> int:
        """See Journal."""
        pruned = 0
        while True:
            count = await self._database.run(partial(prune, before=before, most=_PRUNED_AT_ONCE), writes=True)
            pruned += count
            if count < _PRUNED_AT_ONCE:
                return pruned

    async def _id(self, account: Account) -> int:
        if account not in self._ids:
            self._ids[account] = await self._database.run(partial(account_id, account=account), writes=True)
        return self._ids[account]

    @abstractmethod
    async def _connect(self) -> None:
        """Get ready to append, once more if that was done before."""

    @abstractmethod
    async def _append(self, account_id: int, rows: Changes, epoch: int | None) -> int:
        """Write the rows in one transaction, unless the account's term is a later one than `epoch`, if that is given.

        Returns the account's term, 0 where none was begun. It cannot change before the transaction is over.
        """

    @abstractmethod
    async def close(self) -> None:
        """See Journal."""
