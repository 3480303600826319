"""Drop the columns of gateway configs and deployments that no gateway reads."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    configs = sa.table("gateway_configs", sa.column("is_enabled", sa.Boolean()))
    # Gateways left these out; without the column they would serve them.
    op.execute(sa.delete(configs).where(sa.not_(configs.c.is_enabled)))
    # Not in a batch, which would make the tables anew under the rows that refer to them.
    for column in ("is_enabled", "key_auth_id", "openapi_digest", "revision"):
        op.drop_column("gateway_configs", column)
    op.drop_column("deployments", "key_auth_id")
