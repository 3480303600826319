"""Drop the workspace and the project of gateway configs: nobody reads them, and the deployment tells both."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    # In a batch, which copies the table: SQLite does not drop a column with a foreign key. No table refers to this one.
    with op.batch_alter_table("gateway_configs") as batch:
        for column, table in (("workspace_id", "workspaces"), ("project_id", "projects")):
            batch.drop_constraint(f"fk_gateway_configs_{column}_{table}", type_="foreignkey")
            batch.drop_column(column)
