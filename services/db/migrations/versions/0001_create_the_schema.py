"""Create the schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "gateways",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("agent_address", sa.String(length=255), nullable=False),
        sa.Column("acknowledged_revision", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateways")),
    )
    op.create_table(
        "openapi_documents",
        sa.Column("digest", sa.String(length=255), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_openapi_documents")),
    )
    op.create_table(
        "routing_revision",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routing_revision")),
    )
    op.create_table(
        "workspaces",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("slug", sa.String(length=255), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workspaces")),
        sa.UniqueConstraint("slug", name=op.f("uq_workspaces_slug")),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("slug", sa.String(length=255), nullable=False),
        sa.Column("live_deployment_id", sa.String(length=255), nullable=True),
        sa.Column("is_rolled_back", sa.Boolean(), nullable=False),
        sa.Column("last_generation", sa.BigInteger(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_projects_workspace_id_workspaces")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("workspace_id", "slug", name=op.f("uq_projects_workspace_id_slug")),
    )
    op.create_table(
        "environments",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("slug", sa.String(length=255), nullable=False),
        sa.Column("is_production", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_environments_project_id_projects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_environments")),
        sa.UniqueConstraint("project_id", "slug", name=op.f("uq_environments_project_id_slug")),
    )
    op.create_table(
        "routing_operations",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=255), nullable=False),
        sa.Column("deployment_id", sa.String(length=255), nullable=True),
        sa.Column("live_before", sa.String(length=255), nullable=True),
        sa.Column("live_after", sa.String(length=255), nullable=True),
        sa.Column("rolled_back_before", sa.Boolean(), nullable=False),
        sa.Column("rolled_back_after", sa.Boolean(), nullable=False),
        sa.Column("is_undone", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_routing_operations_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routing_operations")),
    )
    with op.batch_alter_table("routing_operations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_routing_operations_project_id"), ["project_id"], unique=False)

    op.create_table(
        "deployments",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("environment_id", sa.String(length=255), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=255), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=True),
        sa.Column("image", sa.String(length=255), nullable=True),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("commit_sha", sa.String(length=255), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("replicas", sa.BigInteger(), nullable=False),
        sa.Column("cpu_millicores", sa.BigInteger(), nullable=False),
        sa.Column("memory_mib", sa.BigInteger(), nullable=False),
        sa.Column("health_path", sa.Text(), nullable=False),
        sa.Column("key_auth_id", sa.String(length=255), nullable=True),
        sa.Column("openapi_digest", sa.String(length=255), nullable=True),
        sa.Column("invocation_id", sa.String(length=255), nullable=True),
        sa.Column("failed_step", sa.String(length=255), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("failure_log", sa.Text(), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("request_digest", sa.String(length=255), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name=op.f("fk_deployments_environment_id_environments")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_deployments_project_id_projects")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_deployments_workspace_id_workspaces")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployments")),
        sa.UniqueConstraint("project_id", "generation", name=op.f("uq_deployments_project_id_generation")),
        sa.UniqueConstraint("project_id", "idempotency_key", name=op.f("uq_deployments_project_id_idempotency_key")),
    )
    with op.batch_alter_table("deployments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deployments_status"), ["status"], unique=False)

    op.create_table(
        "routing_changes",
        sa.Column("operation_id", sa.String(length=255), nullable=False),
        sa.Column("hostname", sa.String(length=255), nullable=False),
        sa.Column("sticky", sa.String(length=255), nullable=False),
        sa.Column("deployment_before", sa.String(length=255), nullable=True),
        sa.Column("deployment_after", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["routing_operations.id"], name=op.f("fk_routing_changes_operation_id_routing_operations")
        ),
        sa.PrimaryKeyConstraint("operation_id", "hostname", name=op.f("pk_routing_changes")),
    )
    op.create_table(
        "deployment_steps",
        sa.Column("operation_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("deployment_id", sa.String(length=255), nullable=False),
        sa.Column("operation", sa.String(length=255), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("started_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name=op.f("fk_deployment_steps_deployment_id_deployments")
        ),
        sa.PrimaryKeyConstraint("operation_id", "name", name=op.f("pk_deployment_steps")),
    )
    with op.batch_alter_table("deployment_steps", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deployment_steps_deployment_id"), ["deployment_id"], unique=False)

    op.create_table(
        "domains",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("hostname", sa.String(length=255), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("environment_id", sa.String(length=255), nullable=False),
        sa.Column("deployment_id", sa.String(length=255), nullable=False),
        sa.Column("sticky", sa.String(length=255), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name=op.f("fk_domains_deployment_id_deployments")
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name=op.f("fk_domains_environment_id_environments")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_domains_project_id_projects")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_domains_workspace_id_workspaces")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domains")),
        sa.UniqueConstraint("hostname", name=op.f("uq_domains_hostname")),
    )
    with op.batch_alter_table("domains", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_domains_deployment_id"), ["deployment_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_domains_project_id_sticky"), ["project_id", "sticky"], unique=False)

    op.create_table(
        "gateway_configs",
        sa.Column("hostname", sa.String(length=255), nullable=False),
        sa.Column("workspace_id", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("deployment_id", sa.String(length=255), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("key_auth_id", sa.String(length=255), nullable=True),
        sa.Column("openapi_digest", sa.String(length=255), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name=op.f("fk_gateway_configs_deployment_id_deployments")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_gateway_configs_project_id_projects")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_gateway_configs_workspace_id_workspaces")
        ),
        sa.PrimaryKeyConstraint("hostname", name=op.f("pk_gateway_configs")),
    )
    with op.batch_alter_table("gateway_configs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_gateway_configs_deployment_id"), ["deployment_id"], unique=False)

    op.create_table(
        "instances",
        sa.Column("deployment_id", sa.String(length=255), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("address", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=255), nullable=False),
        sa.Column("healthy", sa.Boolean(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name=op.f("fk_instances_deployment_id_deployments")
        ),
        sa.PrimaryKeyConstraint("deployment_id", "id", name=op.f("pk_instances")),
    )
    op.execute("INSERT INTO routing_revision (id, revision) VALUES (1, 0)")
