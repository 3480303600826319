"""Keep what a deployment is run with in one column, where each setting had its own."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COLUMNS = (
    "replicas",
    "cpu_millicores",
    "memory_mib",
    "health_path",
    "port",
    "stop_seconds",
    "ready_seconds",
    "release_command",
    "command",
)
COMMANDS = ("release_command", "command")


def upgrade() -> None:
    """Apply."""
    op.add_column("deployments", sa.Column("run", sa.JSON(), server_default="{}", nullable=False))
    _fold()
    # Not in a batch, which would make the table anew: other tables refer to its rows.
    for name in COLUMNS:
        op.drop_column("deployments", name)


def _fold() -> None:
    """Copy the nine columns of every deployment into the one."""
    columns: list[sa.ColumnClause[Any]] = [sa.column(name, sa.JSON() if name in COMMANDS else None) for name in COLUMNS]
    deployments = sa.table("deployments", sa.column("id"), *columns, sa.column("run", sa.JSON()))
    connection = op.get_bind()
    for row in connection.execute(sa.select(deployments)).mappings().all():
        run = {name: row[name] for name in COLUMNS}
        connection.execute(sa.update(deployments).where(deployments.c.id == row["id"]).values(run=run))
