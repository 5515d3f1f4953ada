"""What a command asks of a running keeper by way of the journal, and what came of it."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Text, cast, delete, func, select

from keeper.domain.orders import Addressee, PushRequest
from keeper.domain.units import FeedId
from keeper.journal.migrate import is_current
from keeper.journal.orders import leave
from keeper.journal.stories import PushStory
from keeper.journal.tables import accounts, attempts, orders, pushes
from keeper.ports import Account


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the one who made it knows it."""

    order: int
    account_id: int
    feeds: tuple[FeedId, ...]
    last_push: int
    """Of the account when it was made."""


def ask(connection: Connection, story: PushStory, *, by: str, now: float) -> Asked:
    """Ask the keeper of a push's account for the feeds of the push; `now` in Unix seconds."""
    account_id = connection.execute(
        select(pushes.c.account_id)
        .join(accounts, accounts.c.id == pushes.c.account_id)
        .where(accounts.c.network == story.network, accounts.c.address == story.account, pushes.c.push == story.push)
    ).scalar_one()
    return _ask(connection, account_id, PushRequest(frozenset(story.feeds), by), now)


def _ask(connection: Connection, account_id: int, request: PushRequest, now: float) -> Asked:
    last = connection.execute(select(func.max(pushes.c.push)).where(pushes.c.account_id == account_id)).scalar()
    network, address = connection.execute(
        select(accounts.c.network, accounts.c.address).where(accounts.c.id == account_id)
    ).one()
    order = leave(connection, Addressee(network, address), request, now)
    return Asked(order, account_id, tuple(request.feeds or ()), last or 0)


def ask_for(connection: Connection, account: Account, request: PushRequest, now: float) -> Asked | None:
    """The same for feeds that are named, of an account that has pushed before; None where it has not."""
    if not is_current(connection):
        return None
    account_id = connection.execute(select(accounts.c.id).filter_by(**asdict(account))).scalar()
    return None if account_id is None else _ask(connection, account_id, request, now)


def is_open(connection: Connection, asked: Asked) -> bool:
    """Whether no keeper has taken the request yet."""
    waiting = select(orders.c.id).where(orders.c.id == asked.order, orders.c.taken_at.is_(None))
    return connection.execute(waiting).first() is not None


def withdraw(connection: Connection, asked: Asked) -> bool:
    """Ask no longer; False where a keeper has taken the request."""
    waiting = (orders.c.id == asked.order) & orders.c.taken_at.is_(None)
    return connection.execute(delete(orders).where(waiting)).rowcount > 0


def answer(connection: Connection, asked: Asked) -> int | None:
    """Number of the first push since then with one of the feeds in it."""
    planned = cast(attempts.c.plan, Text)
    carrying = select(func.min(attempts.c.push)).where(
        attempts.c.account_id == asked.account_id,
        attempts.c.push > asked.last_push,
        planned.contains(asked.feeds[0]),
    )
    return connection.execute(carrying).scalar()
