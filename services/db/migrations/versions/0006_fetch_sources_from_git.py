"""Keep where a deployment's source is fetched from."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("deployments") as batch_op:
        batch_op.add_column(sa.Column("git_url", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("git_ref", sa.String(length=255), nullable=True))
