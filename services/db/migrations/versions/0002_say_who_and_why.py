"""Say who asked for a deployment, who moved hostnames and why, and which of them did not follow."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("deployments") as batch_op:
        batch_op.add_column(sa.Column("created_by", sa.String(length=255), server_default="", nullable=False))
    with op.batch_alter_table("routing_operations") as batch_op:
        batch_op.add_column(sa.Column("note", sa.Text(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("held", sa.JSON(), server_default="[]", nullable=False))
