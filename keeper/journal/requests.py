"""What an operator asks of a running keeper, by way of the journal: to push some feeds anew."""

from dataclasses import asdict, dataclass
from functools import partial

from sqlalchemy import ColumnElement, Connection, Text, cast, delete, func, insert, select

from keeper.domain.units import FeedId
from keeper.journal.database import Database
from keeper.journal.migrate import is_current
from keeper.journal.stories import PushStory
from keeper.journal.tables import accounts, attempts, pushes, requests
from keeper.ports import Account

FRESH_S = 30.0
"""What was asked for longer ago is not heeded any more: whoever asked has long stopped waiting."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the one who made it knows it."""

    request: int
    account_id: int
    feeds: tuple[FeedId, ...]
    last_push: int
    """Of the account when it was made."""


def ask(connection: Connection, story: PushStory, now: float) -> Asked:
    """Ask the keeper of a push's account for the feeds of the push; `now` in Unix seconds."""
    account_id = connection.execute(
        select(pushes.c.account_id)
        .join(accounts, accounts.c.id == pushes.c.account_id)
        .where(accounts.c.network == story.network, accounts.c.address == story.account, pushes.c.push == story.push)
    ).scalar_one()
    return _ask(connection, account_id, tuple(story.feeds), now)


def _ask(connection: Connection, account_id: int, feeds: tuple[FeedId, ...], now: float) -> Asked:
    last = connection.execute(select(func.max(pushes.c.push)).where(pushes.c.account_id == account_id)).scalar()
    made = insert(requests).values(account_id=account_id, asked_at=now, feeds=list(feeds)).returning(requests.c.id)
    return Asked(connection.execute(made).scalar_one(), account_id, feeds, last or 0)


def ask_for(connection: Connection, account: Account, feeds: tuple[FeedId, ...], now: float) -> Asked | None:
    """The same for feeds that are named, of an account that has pushed before; None where it has not."""
    if not is_current(connection):
        return None
    account_id = connection.execute(select(accounts.c.id).filter_by(**asdict(account))).scalar()
    return None if account_id is None else _ask(connection, account_id, feeds, now)


def is_open(connection: Connection, asked: Asked) -> bool:
    """Whether no keeper has taken the request yet."""
    return connection.execute(select(requests.c.id).where(requests.c.id == asked.request)).first() is not None


def withdraw(connection: Connection, asked: Asked) -> bool:
    """Ask no longer; False where a keeper has taken the request."""
    return connection.execute(delete(requests).where(requests.c.id == asked.request)).rowcount > 0


def answer(connection: Connection, asked: Asked) -> int | None:
    """Number of the first push since then with one of the feeds in it."""
    planned = cast(attempts.c.plan, Text)
    carrying = select(func.min(attempts.c.push)).where(
        attempts.c.account_id == asked.account_id,
        attempts.c.push > asked.last_push,
        planned.contains(asked.feeds[0]),
    )
    return connection.execute(carrying).scalar()


class RequestBox:
    """See Requests."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, account: Account, now: float) -> frozenset[FeedId]:
        """See Requests."""
        if not await self._database.run(partial(_are_there, account=account)):
            return frozenset()
        return await self._database.run(partial(_take, account=account, now=now), writes=True)

    async def close(self) -> None:
        """Let go of the database."""
        await self._database.close()


def _are_there(connection: Connection, account: Account) -> bool:
    return connection.execute(select(requests.c.id).where(_of(account)).limit(1)).first() is not None


def _of(account: Account) -> ColumnElement[bool]:
    number = select(accounts.c.id).filter_by(**asdict(account)).scalar_subquery()
    return requests.c.account_id == number


def _take(connection: Connection, account: Account, now: float) -> frozenset[FeedId]:
    taken = delete(requests).where(_of(account)).returning(requests.c.asked_at, requests.c.feeds)
    rows = connection.execute(taken).all()
    return frozenset(FeedId(feed) for asked_at, feeds in rows if asked_at > now - FRESH_S for feed in feeds)
