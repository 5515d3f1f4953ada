"""Accounts, pushes, their attempts and notes, and what each feed costs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_WHOLE_NUMBER = sa.Text().with_variant(sa.Numeric(78, 0), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "keeper_accounts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("network", sa.Text, nullable=False),
        sa.Column("chain_id", sa.BigInteger, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.UniqueConstraint("network", "chain_id", "address"),
    )
    _create_pushes()
    _create_attempts()
    op.create_table(
        "keeper_notes",
        sa.Column("account_id", sa.Integer, primary_key=True),
        sa.Column("push", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("tx_hash", sa.LargeBinary, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        _push_key(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "keeper_feed_costs",
        sa.Column("account_id", sa.Integer, primary_key=True),
        sa.Column("push", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("feed", sa.LargeBinary, primary_key=True),
        sa.Column("gas_cost", _WHOLE_NUMBER, nullable=False),
        sa.Column("update_fee", _WHOLE_NUMBER, nullable=False),
        _push_key(),
        sqlite_with_rowid=False,
    )
    op.create_index("keeper_feed_costs_by_feed", "keeper_feed_costs", ["feed"])


def _create_pushes() -> None:
    op.create_table(
        "keeper_pushes",
        sa.Column("account_id", sa.Integer, sa.ForeignKey("keeper_accounts.id"), primary_key=True),
        sa.Column("push", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("nonce", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("retry_count", sa.Integer, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("decided_at", sa.Double, nullable=False),
        sa.Column("mined_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("tx_hash", sa.LargeBinary),
        sa.Column("block_number", sa.BigInteger),
        sa.Column("block_hash", sa.LargeBinary),
        sa.Column("gas_used", sa.BigInteger),
        sa.Column("gas_price", _WHOLE_NUMBER),
        sa.Column("gas_cost", _WHOLE_NUMBER),
        sa.Column("l1_fee", _WHOLE_NUMBER),
        sa.Column("update_fee", _WHOLE_NUMBER),
        sa.Column("metadata", sa.JSON, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("keeper_pushes_by_state", "keeper_pushes", ["state"])
    op.create_index("keeper_pushes_by_decision", "keeper_pushes", ["decided_at"])
    _create_index_of_some("keeper_pushes_by_mining", "mined_at")
    _create_index_of_some("keeper_pushes_by_end", "ended_at")


def _create_index_of_some(name: str, column: str) -> None:
    where = sa.text(f"{column} IS NOT NULL")
    op.create_index(name, "keeper_pushes", [column], sqlite_where=where, postgresql_where=where)


def _create_attempts() -> None:
    op.create_table(
        "keeper_attempts",
        sa.Column("account_id", sa.Integer, primary_key=True),
        sa.Column("push", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("nonce", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("fate", sa.Text, nullable=False),
        sa.Column("signed_at", sa.Double, nullable=False),
        sa.Column("sent_at", sa.Double),
        sa.Column("since_block", sa.BigInteger, nullable=False),
        sa.Column("fee_cap", _WHOLE_NUMBER, nullable=False),
        sa.Column("tip", _WHOLE_NUMBER, nullable=False),
        sa.Column("legacy", sa.Boolean, nullable=False),
        sa.Column("gas_limit", sa.BigInteger),
        sa.Column("value", _WHOLE_NUMBER, nullable=False),
        sa.Column("cancels", sa.Boolean, nullable=False),
        sa.Column("plan", sa.JSON),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        _push_key(),
        sa.UniqueConstraint("account_id", "hash"),
    )


def _push_key() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["account_id", "push"], ["keeper_pushes.account_id", "keeper_pushes.push"], ondelete="CASCADE"
    )
