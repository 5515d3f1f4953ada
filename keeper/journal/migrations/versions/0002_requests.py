"""What an operator asks of the keeper."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "keeper_requests",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("account_id", sa.Integer, sa.ForeignKey("keeper_accounts.id"), nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.Column("feeds", sa.JSON, nullable=False),
    )
