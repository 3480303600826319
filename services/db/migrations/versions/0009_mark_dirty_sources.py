"""Record whether a deployment's source holds something else than its commit."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("deployments", sa.Column("is_dirty", sa.Boolean(), nullable=False, server_default=sa.false()))
