"""Keep settings, variables and secrets, what each deployment got of them, and the last probe of one that failed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "variables",
        sa.Column("environment_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated_by", sa.String(length=255), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name=op.f("fk_variables_environment_id_environments")
        ),
        sa.PrimaryKeyConstraint("environment_id", "name", name=op.f("pk_variables")),
    )
    op.create_table(
        "secret_versions",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("environment_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("key_id", sa.String(length=255), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name=op.f("fk_secret_versions_environment_id_environments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secret_versions")),
        sa.UniqueConstraint(
            "environment_id", "name", "version", name=op.f("uq_secret_versions_environment_id_name_version")
        ),
    )
    with op.batch_alter_table("projects") as batch_op:
        batch_op.add_column(sa.Column("settings", sa.JSON(), server_default="{}", nullable=False))
    with op.batch_alter_table("deployments") as batch_op:
        batch_op.add_column(sa.Column("variables", sa.JSON(), server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("secrets", sa.JSON(), server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("last_probe", sa.JSON(), nullable=True))
