"""The tables of the journal. Times are Unix seconds, amounts wei, hashes and feed ids 32 bytes.

Their names begin with `keeper_`, for the database may be one that others use too. A change here needs a migration.
"""

from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeEngine

_WEI_DIGITS = 78
"""So many has the largest number of 256 bits."""


class WholeNumber(TypeDecorator[int]):
    """An integer beyond 64 bits, exactly: NUMERIC on PostgreSQL, decimal text on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """How the database keeps it."""
        return dialect.type_descriptor(Numeric(_WEI_DIGITS, 0) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Decimal | str | None:
        """As the database takes it."""
        if value is None:
            return None
        return Decimal(value) if dialect.name == "postgresql" else str(value)

    def process_result_value(self, value: Decimal | str | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - all must
        """As Python counts."""
        return None if value is None else int(value)


class wei_sum(GenericFunction[int]):  # noqa: N801 - the name in SQL
    """The exact sum of whole numbers, 0 of none; SQLite needs `WeiSum` registered under this name."""

    type = WholeNumber()
    inherit_cache = True


@compiles(wei_sum)
def _exact_sum(element: wei_sum, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - as SQLAlchemy's
    function = "sum" if compiler.dialect.name == "postgresql" else "wei_sum"
    return f"coalesce({function}({compiler.process(element.clauses, **options)}), 0)"


class utc_day(GenericFunction[int]):  # noqa: N801 - as wei_sum
    """Days from 1970 to a time, UTC."""

    type = BigInteger()
    inherit_cache = True


@compiles(utc_day)
def _whole_days(element: utc_day, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - as SQLAlchemy's
    days = f"{compiler.process(element.clauses, **options)} / 86400"
    return f"floor({days})::bigint" if compiler.dialect.name == "postgresql" else f"CAST({days} AS INTEGER)"


class WeiSum:
    """The aggregate behind `wei_sum` on SQLite, whose own sum turns into a float."""

    def __init__(self) -> None:
        self._sum = 0

    def step(self, value: str | None) -> None:
        """One row more."""
        self._sum += int(value or 0)

    def finalize(self) -> str:
        """The sum, as text."""
        return str(self._sum)


metadata = MetaData()


def _push_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["account_id", "push"], ["keeper_pushes.account_id", "keeper_pushes.push"], ondelete="CASCADE"
    )


accounts = Table(
    "keeper_accounts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("network", Text, nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("address", Text, nullable=False),
    UniqueConstraint("network", "chain_id", "address"),
)

pushes = Table(
    "keeper_pushes",
    metadata,
    Column("account_id", Integer, ForeignKey(accounts.c.id), primary_key=True),
    Column("push", BigInteger, primary_key=True, autoincrement=False),
    Column("nonce", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("outcome", Text),
    Column("retry_count", Integer, nullable=False),
    Column("problem", Text, nullable=False),
    Column("decided_at", Double, nullable=False),
    Column("mined_at", Double),
    Column("ended_at", Double),
    Column("tx_hash", LargeBinary),
    Column("block_number", BigInteger),
    Column("block_hash", LargeBinary),
    Column("gas_used", BigInteger),
    Column("gas_price", WholeNumber),
    Column("gas_cost", WholeNumber),  # the share of L1 is part of it
    Column("l1_fee", WholeNumber),
    Column("update_fee", WholeNumber),
    Column("metadata", JSON, nullable=False),  # what the contract stored
    sqlite_with_rowid=False,
)
Index("keeper_pushes_by_state", pushes.c.state)
Index("keeper_pushes_by_decision", pushes.c.decided_at)
Index(
    "keeper_pushes_by_mining",
    pushes.c.mined_at,
    sqlite_where=pushes.c.mined_at.is_not(None),
    postgresql_where=pushes.c.mined_at.is_not(None),
)
Index(
    "keeper_pushes_by_end",
    pushes.c.ended_at,
    sqlite_where=pushes.c.ended_at.is_not(None),
    postgresql_where=pushes.c.ended_at.is_not(None),
)

attempts = Table(
    "keeper_attempts",
    metadata,
    Column("account_id", Integer, primary_key=True),
    Column("push", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),  # in the order of signing
    Column("nonce", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("fate", Text, nullable=False),
    Column("signed_at", Double, nullable=False),
    Column("sent_at", Double),  # the first time
    Column("since_block", BigInteger, nullable=False),
    Column("fee_cap", WholeNumber, nullable=False),
    Column("tip", WholeNumber, nullable=False),
    Column("legacy", Boolean, nullable=False),
    Column("gas_limit", BigInteger),
    Column("value", WholeNumber, nullable=False),
    Column("cancels", Boolean, nullable=False),
    Column("plan", JSON),
    Column("raw", LargeBinary, nullable=False),  # empty once the push has ended
    _push_key(),
    UniqueConstraint("account_id", "hash"),
)

notes = Table(
    "keeper_notes",
    metadata,
    Column("account_id", Integer, primary_key=True),
    Column("push", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),  # in the order of what happened
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("tx_hash", LargeBinary, nullable=False),  # empty where it is about no transaction
    Column("endpoint", Text, nullable=False),
    Column("detail", Text, nullable=False),
    _push_key(),
    sqlite_with_rowid=False,
)

feed_costs = Table(
    "keeper_feed_costs",
    metadata,
    Column("account_id", Integer, primary_key=True),
    Column("push", BigInteger, primary_key=True, autoincrement=False),
    Column("feed", LargeBinary, primary_key=True),
    Column("gas_cost", WholeNumber, nullable=False),
    Column("update_fee", WholeNumber, nullable=False),
    _push_key(),
    sqlite_with_rowid=False,
)
Index("keeper_feed_costs_by_feed", feed_costs.c.feed)

orders = Table(
    "keeper_orders",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("network", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("kind", Text, nullable=False),  # `update`, `pause` or `resume`
    Column("asked_by", Text, nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("feeds", JSON, nullable=False),  # ids, as hex; null in JSON for all, and for what is about no feeds
    Column("taken_at", Double),  # by a keeper
)
Index(
    "keeper_orders_waiting",
    orders.c.network,
    orders.c.address,
    sqlite_where=orders.c.taken_at.is_(None),
    postgresql_where=orders.c.taken_at.is_(None),
)

pauses = Table(
    "keeper_pauses",
    metadata,
    Column("network", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("asked_by", Text, nullable=False),
    Column("since", Double, nullable=False),
)

terms = Table(
    "keeper_terms",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("address", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),  # grows by one whenever somebody begins to send
)

leases = Table(
    "keeper_leases",
    metadata,
    Column("shard", Text, primary_key=True),  # an account on a chain
    Column("version", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("duration_s", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("acquired_us", BigInteger, nullable=False),
    Column("renewed_us", BigInteger, nullable=False),
    Column("notes", Text, nullable=False),
)
