"""Keep what request and project said of a deployment apart from what it is run with, and five more settings."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("deployments") as batch_op:
        batch_op.add_column(sa.Column("given_settings", sa.JSON(), server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("port", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("stop_seconds", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("ready_seconds", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("release_command", sa.JSON(), server_default="[]", nullable=False))
        batch_op.add_column(sa.Column("command", sa.JSON(), server_default="[]", nullable=False))
    _keep_what_was_settled()


def _keep_what_was_settled() -> None:
    """Deployments that wait were settled when they were recorded: what they have is what they were given."""
    names = ("id", "status", "replicas", "cpu_millicores", "memory_mib", "health_path")
    columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
    deployments = sa.table("deployments", *columns, sa.column("given_settings", sa.JSON()))
    connection = op.get_bind()
    waiting = deployments.c.status.in_(("pending", "building"))
    for row in connection.execute(sa.select(deployments).where(waiting)).mappings().all():
        given = {name: row[name] for name in ("replicas", "cpu_millicores", "memory_mib")}
        if row["health_path"]:
            given["health_path"] = row["health_path"]
        connection.execute(sa.update(deployments).where(deployments.c.id == row["id"]).values(given_settings=given))
