"""Keep credentials of registries, and what was asked for beside the image that it meant."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "registry_credentials",
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("username", sa.String(length=255), nullable=False),
        sa.Column("key_id", sa.String(length=255), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.String(length=255), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_registry_credentials_workspace_id_workspaces")
        ),
        sa.PrimaryKeyConstraint("workspace_id", "host", name=op.f("pk_registry_credentials")),
    )
    with op.batch_alter_table("deployments") as batch_op:
        batch_op.add_column(sa.Column("asked_image", sa.String(length=255), nullable=True))
    op.execute("UPDATE deployments SET asked_image = image WHERE source IS NULL")
