"""Keep a remark with a step that does not fail because of it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("deployment_steps", sa.Column("note", sa.Text(), nullable=False, server_default=""))
