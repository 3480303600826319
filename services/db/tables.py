"""The schema. Times are milliseconds since the epoch, UTC; nothing is ordered by them.

Writers: ctrl writes workspaces, credentials, projects, environments with variables and secrets, and pending
deployments. The deployment workflow writes deployments, steps, instances and OpenAPI documents. Only routing writes
gateway configs, domains, the ledger, the routing revision, and a project's live pointer and rolled-back flag. A gateway
writes its own row.
"""

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, MetaData, String, Text, UniqueConstraint, false
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=CONVENTION)
    type_annotation_map = {int: BigInteger(), str: String(255)}  # noqa: RUF012 -- SQLAlchemy reads it from the class


class Workspace(Base):
    """Owner of projects and credentials; no read crosses its border."""

    __tablename__ = "workspaces"

    id: Mapped[str] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    created_at_ms: Mapped[int]


class SealedCredential(Base):
    """A workspace's credential for one private registry or git server."""

    __tablename__ = "registry_credentials"

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    # host[:port], in the form of `services.domain.images.registry_of` and `GitSource.server`.
    host: Mapped[str] = mapped_column(primary_key=True)
    username: Mapped[str]
    key_id: Mapped[str]
    # The encrypted password.
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    # Number of times that it was set.
    version: Mapped[int]
    updated_by: Mapped[str]
    updated_at_ms: Mapped[int]


class Project(Base):
    """A project. Its operations and routing changes run one after the other."""

    __tablename__ = "projects"
    __table_args__ = (UniqueConstraint("workspace_id", "slug"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    slug: Mapped[str]
    live_deployment_id: Mapped[str | None]
    is_rolled_back: Mapped[bool] = mapped_column(default=False)
    # Generation of the project's newest deployment.
    last_generation: Mapped[int] = mapped_column(default=0)
    # Settings of its deployments, unless their requests set others; see services/domain/settings.py.
    settings: Mapped[dict[str, int | str]] = mapped_column(JSON, default=dict, server_default="{}")
    created_at_ms: Mapped[int]


class Environment(Base):
    """A place to run a project; exactly one is production."""

    __tablename__ = "environments"
    __table_args__ = (UniqueConstraint("project_id", "slug"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    slug: Mapped[str]
    is_production: Mapped[bool]


class Variable(Base):
    """An environment variable that new deployments of an environment get."""

    __tablename__ = "variables"

    environment_id: Mapped[str] = mapped_column(ForeignKey("environments.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    updated_by: Mapped[str]
    updated_at_ms: Mapped[int]


class SecretVersion(Base):
    """One version of a secret of an environment; its value never changes."""

    __tablename__ = "secret_versions"
    __table_args__ = (UniqueConstraint("environment_id", "name", "version"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    environment_id: Mapped[str] = mapped_column(ForeignKey("environments.id"))
    name: Mapped[str]
    version: Mapped[int]
    # New deployments get it. At most one version of a name is current.
    is_current: Mapped[bool]
    key_id: Mapped[str]
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    created_by: Mapped[str]
    created_at_ms: Mapped[int]


class Deployment(Base):
    """One attempt to run one build in one environment. Only its status and results change."""

    __tablename__ = "deployments"
    __table_args__ = (UniqueConstraint("project_id", "generation"), UniqueConstraint("project_id", "idempotency_key"))

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    environment_id: Mapped[str] = mapped_column(ForeignKey("environments.id"))
    # Number of the deployment within its project; a higher one is newer, independent of clocks.
    generation: Mapped[int]
    status: Mapped[str] = mapped_column(index=True)
    source: Mapped[str | None]
    # URL and ref of the request; None if the source was uploaded or there is none.
    git_url: Mapped[str | None] = mapped_column(Text)
    git_ref: Mapped[str | None]
    # Image of the request; None if it is built from a source.
    asked_image: Mapped[str | None]
    # Image that runs: the built one, or the requested one with its digest.
    image: Mapped[str | None]
    branch: Mapped[str] = mapped_column(Text, default="")
    commit_sha: Mapped[str] = mapped_column(default="")
    # The source holds something else than the commit.
    is_dirty: Mapped[bool] = mapped_column(default=False, server_default=false())
    message: Mapped[str] = mapped_column(Text, default="")
    # What request and project set when it was recorded; the source may set the rest.
    given_settings: Mapped[dict[str, int | str | list[str]]] = mapped_column(JSON, default=dict, server_default="{}")
    # What it is run with. The source's settings are added when its image is there; from then on nothing changes.
    run: Mapped[dict[str, int | str | list[str]]] = mapped_column(JSON, default=dict, server_default="{}")
    # Environment captured at its creation; variables from the source are added after the build. Values by name, and ids
    # of secret versions by name.
    variables: Mapped[dict[str, str]] = mapped_column(JSON, default=dict, server_default="{}")
    secrets: Mapped[dict[str, str]] = mapped_column(JSON, default=dict, server_default="{}")
    openapi_digest: Mapped[str | None]
    # Restate invocation that works on it; None before the hand-over.
    invocation_id: Mapped[str | None]
    failed_step: Mapped[str | None]
    failure: Mapped[str | None] = mapped_column(Text)
    # Last log lines of a failed deployment, newline-separated.
    failure_log: Mapped[str | None] = mapped_column(Text)
    # Last probe of an instance before the instances were removed.
    last_probe: Mapped[dict[str, str | int] | None] = mapped_column(JSON)
    cancel_reason: Mapped[str | None] = mapped_column(Text)
    idempotency_key: Mapped[str | None]
    # Digest of the request, to tell a repeat from another request with the same idempotency key.
    request_digest: Mapped[str | None]
    # Actor of the request; empty if unknown.
    created_by: Mapped[str] = mapped_column(default="", server_default="")
    created_at_ms: Mapped[int]
    ended_at_ms: Mapped[int | None]


class DeploymentStep(Base):
    """One named step of one operation on a deployment."""

    __tablename__ = "deployment_steps"

    # Restate's invocation id of the operation.
    operation_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    deployment_id: Mapped[str] = mapped_column(ForeignKey("deployments.id"), index=True)
    # deploy, rollback or promote
    operation: Mapped[str]
    # Position among all steps of all operations on the deployment.
    position: Mapped[int]
    started_at_ms: Mapped[int]
    ended_at_ms: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)
    # A remark that is no failure; empty if there is none.
    note: Mapped[str] = mapped_column(Text, default="", server_default="")


class Instance(Base):
    """One instance of a deployment, as last reported by krane."""

    __tablename__ = "instances"

    deployment_id: Mapped[str] = mapped_column(ForeignKey("deployments.id"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    # host:port; empty while unknown.
    address: Mapped[str]
    status: Mapped[str]
    healthy: Mapped[bool]
    updated_at_ms: Mapped[int]


class Domain(Base):
    """A hostname and what it follows. A hostname exists once in all workspaces."""

    __tablename__ = "domains"
    __table_args__ = (Index(None, "project_id", "sticky"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    hostname: Mapped[str] = mapped_column(unique=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    environment_id: Mapped[str] = mapped_column(ForeignKey("environments.id"))
    deployment_id: Mapped[str] = mapped_column(ForeignKey("deployments.id"), index=True)
    # commit, branch, environment or live
    sticky: Mapped[str]
    created_at_ms: Mapped[int]


class GatewayConfig(Base):
    """The route of one hostname."""

    __tablename__ = "gateway_configs"

    hostname: Mapped[str] = mapped_column(primary_key=True)
    deployment_id: Mapped[str] = mapped_column(ForeignKey("deployments.id"), index=True)


class RoutingRevision(Base):
    """One row that counts the changes that gateways must apply."""

    __tablename__ = "routing_revision"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int]


class RoutingOperation(Base):
    """The ledger of routing: one row per transaction that moved domains, so that it can be repeated or undone."""

    __tablename__ = "routing_operations"

    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    # assign, switch, rollback, promote or withdraw
    kind: Mapped[str]
    deployment_id: Mapped[str | None]
    live_before: Mapped[str | None]
    live_after: Mapped[str | None]
    rolled_back_before: Mapped[bool]
    rolled_back_after: Mapped[bool]
    # True after its undo. An operation undone before it ran is refused if it runs later.
    is_undone: Mapped[bool] = mapped_column(default=False)
    # Actor and reason; empty if unknown.
    note: Mapped[str] = mapped_column(Text, default="", server_default="")
    # Domains that did not move, as [hostname, reason].
    held: Mapped[list[tuple[str, str]]] = mapped_column(JSON, default=list, server_default="[]")
    revision: Mapped[int]
    created_at_ms: Mapped[int]


class RoutingChange(Base):
    """One domain that a routing operation moved. None: it did not exist before, or after."""

    __tablename__ = "routing_changes"

    operation_id: Mapped[str] = mapped_column(ForeignKey("routing_operations.id"), primary_key=True)
    hostname: Mapped[str] = mapped_column(primary_key=True)
    sticky: Mapped[str]
    deployment_before: Mapped[str | None]
    deployment_after: Mapped[str | None]


class Gateway(Base):
    """A registered gateway. Routing waits for the acknowledgement of all gateways."""

    __tablename__ = "gateways"

    id: Mapped[str] = mapped_column(primary_key=True)
    # host:port of the agent's gRPC service.
    agent_address: Mapped[str]
    acknowledged_revision: Mapped[int]
    updated_at_ms: Mapped[int]


class OpenapiDocument(Base):
    """A scraped OpenAPI document, stored once by digest."""

    __tablename__ = "openapi_documents"

    # "sha256:<hex>"
    digest: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    created_at_ms: Mapped[int]
