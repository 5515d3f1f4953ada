"""Orders of operators, kept after they were heeded, and the pauses that stand."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables, in place of that of requests, which are worth nothing after half a minute."""
    op.drop_table("keeper_requests")
    op.create_table(
        "keeper_orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("network", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.Column("feeds", sa.JSON, nullable=False),
        sa.Column("taken_at", sa.Double),
    )
    where = sa.text("taken_at IS NULL")
    op.create_index(
        "keeper_orders_waiting", "keeper_orders", ["network", "address"], sqlite_where=where, postgresql_where=where
    )
    op.create_table(
        "keeper_pauses",
        sa.Column("network", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
    )
