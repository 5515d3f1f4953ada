"""Reads the journal for an operator, while a keeper may be writing it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    Text,
    and_,
    cast,
    exists,
    func,
    or_,
    select,
    tuple_,
)

from keeper.domain.errors import JournalError
from keeper.domain.transaction import ENDED
from keeper.domain.units import FeedId
from keeper.journal.address import PostgresServer, SqliteFile
from keeper.journal.database import Database, PostgresDatabase, SqliteDatabase
from keeper.journal.encoding import effect_of
from keeper.journal.migrate import is_current
from keeper.journal.stories import AttemptStory, CostLine, FeedCost, Filter, NoteStory, PushStory
from keeper.journal.tables import accounts, attempts, feed_costs, notes, pushes, utc_day, wei_sum

_PAGE = 200
_Rows: TypeAlias = Sequence[Row[Any]]
_T = TypeVar("_T")


async def read(database: Database, work: Callable[[Connection], _T]) -> _T:
    """Do the work on tables that are as this keeper knows them; raises JournalError for others."""

    def checked(connection: Connection) -> _T:
        if not is_current(connection):
            raise JournalError(f"the journal at {database} has no tables of this version: run the keeper first")
        return work(connection)

    return await database.run(checked)


def for_reading(address: SqliteFile | PostgresServer) -> Database:
    """The journal at an address, which must exist."""
    return SqliteDatabase(address, read_only=True) if isinstance(address, SqliteFile) else PostgresDatabase(address)


def newest(connection: Connection, wanted: Filter, limit: int) -> list[PushStory]:
    """The latest pushes, newest first."""
    order = pushes.c.decided_at.desc(), pushes.c.account_id, pushes.c.push.desc()
    return _told(connection, connection.execute(_chosen(wanted).order_by(*order).limit(limit)).all())


def every(connection: Connection, wanted: Filter) -> Iterator[PushStory]:
    """All pushes, account by account in the order of their numbers, without holding them all in memory."""
    key = tuple_(pushes.c.account_id, pushes.c.push)
    page = _chosen(wanted).order_by(pushes.c.account_id, pushes.c.push).limit(_PAGE)
    rows = connection.execute(page).all()
    while rows:
        yield from _told(connection, rows)
        rows = connection.execute(page.where(key > (rows[-1].account_id, rows[-1].push))).all()


def costs(connection: Connection, wanted: Filter, *, by_day: bool, by_feed: bool) -> list[CostLine]:
    """What mined pushes cost, by network and what else is asked for."""
    gas_cost: ColumnElement[Any] = pushes.c.gas_cost
    update_fee: ColumnElement[Any] = pushes.c.update_fee
    source = pushes.join(accounts, accounts.c.id == pushes.c.account_id)
    if by_feed or wanted.feed is not None:
        source = source.outerjoin(feed_costs, _belongs(feed_costs))
        gas_cost = func.coalesce(feed_costs.c.gas_cost, gas_cost)
        update_fee = func.coalesce(feed_costs.c.update_fee, update_fee)
    groups: list[ColumnElement[Any]] = [accounts.c.network]
    groups += [utc_day(pushes.c.mined_at).label("day")] if by_day else []
    groups += [feed_costs.c.feed] if by_feed else []
    query = (
        select(*groups, func.count(), wei_sum(gas_cost), wei_sum(update_fee))
        .select_from(source)
        .where(pushes.c.mined_at.is_not(None), *_spell(pushes.c.mined_at, wanted))
        .group_by(*groups)
        .order_by(*groups)
    )
    if wanted.network is not None:
        query = query.where(accounts.c.network == wanted.network)
    if wanted.feed is not None:
        query = query.where(feed_costs.c.feed == bytes.fromhex(wanted.feed))
    return [_cost_line(tuple(row), by_day=by_day, by_feed=by_feed) for row in connection.execute(query)]


def _cost_line(row: tuple[Any, ...], *, by_day: bool, by_feed: bool) -> CostLine:
    network, *groups, count, gas_cost, update_fee = row
    feed = groups[-1] if by_feed else None
    return CostLine(
        network=network,
        day=groups[0] if by_day else None,
        feed=None if feed is None else FeedId(feed.hex()),
        pushes=count,
        gas_cost=gas_cost,
        update_fee=update_fee,
    )


def _chosen(wanted: Filter) -> Select[Any]:
    conditions = [*_spell(pushes.c.decided_at, wanted)]
    if wanted.network is not None:
        conditions.append(accounts.c.network == wanted.network)
    if wanted.push is not None:
        conditions.append(pushes.c.push == wanted.push)
    if wanted.tx_hash is not None:
        conditions.append(exists().where(_belongs(attempts), attempts.c.hash == wanted.tx_hash))
    if wanted.status is not None:
        conditions.append(_has_status(wanted.status))
    if wanted.feed is not None:
        conditions.append(_holds(wanted.feed))
    columns = accounts.c.network, accounts.c.address.label("account")
    return select(*columns, pushes).join(accounts, accounts.c.id == pushes.c.account_id).where(*conditions)


def _has_status(status: str) -> ColumnElement[bool]:
    if status == "open":
        return pushes.c.state.not_in([state.value for state in ENDED])
    return or_(pushes.c.state == status, pushes.c.outcome == status)


def _holds(feed: FeedId) -> ColumnElement[bool]:
    """Bears a part of the cost; or before that is known, stands in a plan."""
    bears = exists().where(_belongs(feed_costs), feed_costs.c.feed == bytes.fromhex(feed))
    planned = exists().where(_belongs(attempts), cast(attempts.c.plan, Text).contains(feed))
    return or_(bears, and_(pushes.c.tx_hash.is_(None), planned))


def _spell(time: ColumnElement[float], wanted: Filter) -> Iterator[ColumnElement[bool]]:
    if wanted.since is not None:
        yield time >= wanted.since
    if wanted.until is not None:
        yield time < wanted.until


def _belongs(table: Table) -> ColumnElement[bool]:
    return and_(table.c.account_id == pushes.c.account_id, table.c.push == pushes.c.push)


def _told(connection: Connection, rows: _Rows) -> list[PushStory]:
    """The pushes with what the other tables say of them."""
    keys = [(row.account_id, row.push) for row in rows]
    columns = [column for column in attempts.c if column.name != "raw"]
    tried = _by_push(connection, select(*columns).order_by(attempts.c.seq), attempts, keys)
    happened = _by_push(connection, select(notes).order_by(notes.c.seq), notes, keys)
    paid = _by_push(connection, select(feed_costs), feed_costs, keys)
    return [_story(row, tried[key], happened[key], paid[key]) for row, key in zip(rows, keys, strict=True)]


def _by_push(
    connection: Connection, query: Select[Any], table: Table, keys: Sequence[tuple[int, int]]
) -> Mapping[tuple[int, int], list[Row[Any]]]:
    found = defaultdict[tuple[int, int], list[Row[Any]]](list)
    for row in connection.execute(query.where(tuple_(table.c.account_id, table.c.push).in_(keys))):
        found[row.account_id, row.push].append(row)
    return found


def _story(
    row: Row[Any], tried: Iterable[Row[Any]], happened: Iterable[Row[Any]], paid: Iterable[Row[Any]]
) -> PushStory:
    return PushStory(
        network=row.network,
        account=row.account,
        push=row.push,
        nonce=row.nonce,
        state=row.state,
        outcome=row.outcome,
        retry_count=row.retry_count,
        problem=row.problem,
        decided_at=row.decided_at,
        mined_at=row.mined_at,
        ended_at=row.ended_at,
        tx_hash=row.tx_hash,
        block_number=row.block_number,
        gas_used=row.gas_used,
        gas_price=row.gas_price,
        gas_cost=row.gas_cost,
        l1_fee=row.l1_fee,
        update_fee=row.update_fee,
        attempts=tuple(map(_attempt, tried)),
        notes=tuple(NoteStory(one.at, one.kind, one.tx_hash, one.endpoint, one.detail) for one in happened),
        feed_costs=tuple(FeedCost(FeedId(one.feed.hex()), one.gas_cost, one.update_fee) for one in paid),
        writes=effect_of(row.metadata)[0],
    )


def _attempt(row: Row[Any]) -> AttemptStory:
    planned = row.plan["feeds"] if row.plan else {}
    return AttemptStory(
        hash=row.hash,
        nonce=row.nonce,
        fate=row.fate,
        signed_at=row.signed_at,
        sent_at=row.sent_at,
        fee_cap=row.fee_cap,
        tip=row.tip,
        gas_limit=row.gas_limit,
        value=row.value,
        cancels=row.cancels,
        feeds={FeedId(feed): each["reason"] for feed, each in planned.items()},
    )
