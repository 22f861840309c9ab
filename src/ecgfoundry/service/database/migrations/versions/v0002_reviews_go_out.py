"""Deliveries of what a reader has said, and who a person is by request or worklist."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns.

    Recordings are not made anew, as SQLite does in a batch: what refers to them would go with them.
    """
    op.add_column("recordings", sa.Column("identity", sa.JSON(), nullable=True))
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.add_column(sa.Column("review_id", NUMBER, nullable=True))
        deliveries.create_foreign_key(
            op.f("fk_deliveries_review_id"), "reviews", ["review_id"], ["id"], ondelete="SET NULL"
        )


def downgrade() -> None:
    """Remove them; deliveries of reviews, which the tables before cannot name, go too."""
    op.execute("DELETE FROM deliveries WHERE review_id IS NOT NULL")
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_constraint(op.f("fk_deliveries_review_id"), type_="foreignkey")
        deliveries.drop_column("review_id")
    op.drop_column("recordings", "identity")
