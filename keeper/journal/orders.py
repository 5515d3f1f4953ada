"""The orders of operators by way of the journal: a shared one takes them to whichever process leads."""

from collections.abc import Collection, Mapping
from functools import partial

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from keeper.domain.orders import Addressee, Pause, PushRequest, Standing
from keeper.domain.units import FeedId
from keeper.journal.database import Database
from keeper.journal.tables import orders, pauses

FRESH_S = 30.0
"""What was asked for longer ago is not heeded any more: whoever asked has long stopped waiting."""
UPDATE = "update"


class JournalOrders:
    """See Orders. Rows stay when they were heeded, as long as those of pushes: they tell who asked for what, when."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, addressee: Addressee, request: PushRequest, now: float) -> None:
        """See Orders."""
        await self._database.run(partial(leave, addressee=addressee, request=request, now=now), writes=True)

    async def pause(self, addressee: Addressee, pause: Pause) -> None:
        """See Orders."""
        await self._database.run(partial(_pause, addressee=addressee, pause=pause), writes=True)

    async def resume(self, addressee: Addressee, *, by: str, now: float) -> None:
        """See Orders."""
        await self._database.run(partial(_resume, addressee=addressee, by=by, now=now), writes=True)

    async def look(self, addressees: Collection[Addressee]) -> Mapping[Addressee, Standing]:
        """See Orders."""
        return await self._database.run(partial(_look, addressees=addressees))

    async def take(self, addressee: Addressee, now: float) -> PushRequest | None:
        """See Orders."""
        return await self._database.run(partial(_take, addressee=addressee, now=now), writes=True)

    async def close(self) -> None:
        """Let go of the database."""
        await self._database.close()


def leave(connection: Connection, addressee: Addressee, request: PushRequest, now: float) -> int:
    """Leave a request, and return its number."""
    feeds = None if request.feeds is None else sorted(request.feeds)
    return _write(connection, addressee, kind=UPDATE, feeds=feeds, asked_by=request.by, asked_at=now)


def _write(connection: Connection, addressee: Addressee, **values: object) -> int:
    row = {"network": addressee.network, "address": addressee.address, "feeds": None} | values
    return int(connection.execute(insert(orders).values(row).returning(orders.c.id)).scalar_one())


def _pause(connection: Connection, addressee: Addressee, pause: Pause) -> None:
    if connection.execute(select(pauses.c.since).where(_paused(addressee))).first() is None:
        key = {"network": addressee.network, "address": addressee.address}
        connection.execute(insert(pauses).values(**key, asked_by=pause.by, since=pause.since))
    at = {"asked_at": pause.since, "taken_at": pause.since}
    _write(connection, addressee, kind="pause", asked_by=pause.by, **at)


def _resume(connection: Connection, addressee: Addressee, by: str, now: float) -> None:
    connection.execute(delete(pauses).where(_paused(addressee)))
    _write(connection, addressee, kind="resume", asked_by=by, asked_at=now, taken_at=now)


def _look(connection: Connection, addressees: Collection[Addressee]) -> dict[Addressee, Standing]:
    found = connection.execute(select(pauses)).all()
    standing = {Addressee(row.network, row.address): Pause(row.asked_by, row.since) for row in found}
    open_ones = select(orders.c.network, orders.c.address).where(orders.c.taken_at.is_(None)).distinct()
    waiting = {Addressee(row.network, row.address) for row in connection.execute(open_ones)}
    return {each: Standing(standing.get(each), each in waiting) for each in addressees}


def _take(connection: Connection, addressee: Addressee, now: float) -> PushRequest | None:
    mine = (orders.c.network == addressee.network) & (orders.c.address == addressee.address)
    taken = (
        update(orders)
        .where(mine, orders.c.taken_at.is_(None))
        .values(taken_at=now)
        .returning(orders.c.asked_at, orders.c.asked_by, orders.c.feeds)
    )
    request: PushRequest | None = None
    for row in connection.execute(taken).all():
        if row.asked_at > now - FRESH_S:
            feeds = None if row.feeds is None else frozenset(FeedId(feed) for feed in row.feeds)
            this = PushRequest(feeds, row.asked_by)
            request = this if request is None else request.joined(this)
    return request


def _paused(addressee: Addressee) -> ColumnElement[bool]:
    return (pauses.c.network == addressee.network) & (pauses.c.address == addressee.address)
