"""Queries of the workflows about deployments. Every read is limited to a project or workspace."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.clock import now_ms
from services.db.deployment_settings import read_effective, read_given, write_effective
from services.db.recorded_environment import add_source_variables
from services.db.tables import Deployment, Environment, OpenapiDocument, Project, Workspace
from services.domain.errors import Conflict, NotFound
from services.domain.git import GitSource
from services.domain.live import Candidate
from services.domain.openapi import Document
from services.domain.readiness import InstanceProbe
from services.domain.settings import EffectiveSettings, RunSettings, resolve
from services.domain.status import ENDED, DeploymentStatus, advance

# Marks each permanently failed undo in the failure text of a deployment.
COULD_NOT_UNDO = "could not undo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """A deployment with its workspace, project, environment and settings."""

    deployment_id: str
    workspace_id: str
    workspace_slug: str
    project_id: str
    project_slug: str
    environment_id: str
    environment_slug: str
    is_production: bool
    status: DeploymentStatus
    source: str | None
    image: str | None
    branch: str
    commit_sha: str
    run: EffectiveSettings
    # Where to fetch the source from; None if it was uploaded or there is none.
    git: GitSource | None = None

    @property
    def volume_scope(self) -> str:
        """What krane keeps its volumes by: the environment; empty if it has none."""
        return self.environment_id if self.run.volumes else ""


async def fetch_metadata(session: AsyncSession, project_id: str, deployment_id: str) -> Metadata:
    """Read a deployment of a project; raises NotFound."""
    row = (
        await session.execute(
            select(Deployment, Workspace, Project, Environment)
            .join(Workspace, Deployment.workspace_id == Workspace.id)
            .join(Project, Deployment.project_id == Project.id)
            .join(Environment, Deployment.environment_id == Environment.id)
            .where(Deployment.id == deployment_id, Deployment.project_id == project_id)
        )
    ).one_or_none()
    if row is None:
        raise _not_found(project_id, deployment_id)
    deployment, workspace, project, environment = row
    return Metadata(
        deployment_id=deployment.id,
        workspace_id=workspace.id,
        workspace_slug=workspace.slug,
        project_id=project.id,
        project_slug=project.slug,
        environment_id=environment.id,
        environment_slug=environment.slug,
        is_production=environment.is_production,
        status=DeploymentStatus(deployment.status),
        source=deployment.source,
        image=deployment.image,
        branch=deployment.branch,
        commit_sha=deployment.commit_sha,
        run=read_effective(deployment),
        git=_git_source(deployment),
    )


async def fill_in(session: AsyncSession, project_id: str, deployment_id: str, image: str) -> None:
    """Store what a Deploy request adds to a pending deployment. Raises Conflict if it contradicts the row."""
    row = await session.scalar(
        select(Deployment).where(Deployment.id == deployment_id, Deployment.project_id == project_id)
    )
    if row is None or row.status != DeploymentStatus.PENDING:
        return
    if image:
        origin = row.git_url or row.source
        if origin or (row.image and image not in (row.asked_image, row.image)):
            raise Conflict(
                f"deployment {deployment_id} was made from {row.asked_image or row.image or origin}, "
                f"not from image {image}; leave docker_image out or create a new deployment"
            )
        if not row.image:
            row.image = row.asked_image = image


async def fetch_candidate(session: AsyncSession, project_id: str, deployment_id: str) -> Candidate:
    """Read a deployment of a project as a candidate for live; raises NotFound."""
    row = (
        await session.execute(
            select(Deployment, Environment)
            .join(Environment, Deployment.environment_id == Environment.id)
            .where(Deployment.id == deployment_id, Deployment.project_id == project_id)
        )
    ).one_or_none()
    if row is None:
        raise _not_found(project_id, deployment_id)
    return candidate(*row)


def candidate(deployment: Deployment, environment: Environment) -> Candidate:
    """Convert rows to a candidate for live."""
    return Candidate(
        id=deployment.id,
        environment_id=environment.id,
        is_production=environment.is_production,
        generation=deployment.generation,
        status=DeploymentStatus(deployment.status),
    )


async def ready_deployments(session: AsyncSession) -> frozenset[str]:
    """Return the ids of all ready deployments."""
    return frozenset(await session.scalars(select(Deployment.id).where(Deployment.status == DeploymentStatus.READY)))


async def set_status(
    session: AsyncSession, deployment_id: str, wanted: DeploymentStatus, *, invocation_id: str | None = None
) -> None:
    """Advance the status of a deployment. Safe to repeat; raises Conflict if the transition is not allowed."""
    row = await session.get_one(Deployment, deployment_id)
    row.status = advance(DeploymentStatus(row.status), wanted)
    if invocation_id is not None:
        row.invocation_id = invocation_id
    if wanted in ENDED and row.ended_at_ms is None:
        row.ended_at_ms = now_ms()


async def claim(session: AsyncSession, deployment_id: str, invocation_id: str) -> None:
    """Start work on a pending deployment. Raises Conflict if another invocation works on it, or it has ended."""
    row = await session.get_one(Deployment, deployment_id)
    if row.status == DeploymentStatus.BUILDING and row.invocation_id == invocation_id:
        return
    if row.status != DeploymentStatus.PENDING:
        raise Conflict(f"deployment {deployment_id} is already {row.status}; create a new deployment")
    await set_status(session, deployment_id, DeploymentStatus.BUILDING, invocation_id=invocation_id)


async def set_source(
    session: AsyncSession, deployment_id: str, source: str, commit_sha: str, *, default_branch: str = ""
) -> None:
    """Record the fetched source, which also keeps it in krane, with its commit and branch.

    If the request named no branch, the deployment gets the repository's default branch. It has begun by then, so it
    supersedes no other deployment and cannot be superseded.
    """
    row = await session.get_one(Deployment, deployment_id)
    row.source, row.commit_sha = source, commit_sha
    row.branch = row.branch or default_branch


async def set_image(
    session: AsyncSession, deployment_id: str, image: str, settings: RunSettings, environment: Mapping[str, str]
) -> None:
    """Record the built image, and add the settings and variables of its source tree. Safe to repeat.

    Raises Invalid if the variables of source, environment and request together exceed the limits.
    """
    row = await session.get_one(Deployment, deployment_id)
    row.image = image
    write_effective(row, resolve(read_given(row), settings))
    add_source_variables(row, environment)


async def replace_image(session: AsyncSession, deployment_id: str, lost: str, image: str) -> None:
    """Record an image that was built again in the place of a lost one, if that one is recorded."""
    row = await session.get_one(Deployment, deployment_id)
    if row.image == lost:
        row.image = image


async def store_openapi(session: AsyncSession, deployment_id: str, document: Document) -> None:
    """Store a document once, by digest, and record its digest with the deployment."""
    if await session.get(OpenapiDocument, document.digest) is None:
        session.add(OpenapiDocument(digest=document.digest, content=document.content, created_at_ms=now_ms()))
    await session.execute(
        update(Deployment).where(Deployment.id == deployment_id).values(openapi_digest=document.digest)
    )


async def read_openapi(session: AsyncSession, digest: str) -> bytes | None:
    """Return a stored document."""
    return await session.scalar(select(OpenapiDocument.content).where(OpenapiDocument.digest == digest))


async def find_live_openapi(session: AsyncSession, project_id: str) -> tuple[str, bytes] | None:
    """Return the id and the document of a project's live deployment; None if it has none."""
    row = (
        await session.execute(
            select(Deployment.id, OpenapiDocument.content)
            .join(Project, Project.live_deployment_id == Deployment.id)
            .join(OpenapiDocument, OpenapiDocument.digest == Deployment.openapi_digest)
            .where(Project.id == project_id)
        )
    ).one_or_none()
    return (row[0], row[1]) if row else None


async def record_probe(session: AsyncSession, deployment_id: str, found: InstanceProbe) -> None:
    """Record the last probe of an instance."""
    probe = {"instance_id": found.instance_id, **asdict(found.probe)}
    await session.execute(update(Deployment).where(Deployment.id == deployment_id).values(last_probe=probe))


async def record_failure(
    session: AsyncSession,
    project_id: str,
    deployment_id: str,
    operation_id: str,
    *,
    step: str,
    reason: str,
    log: str,
    is_cancelled: bool,
    failed_undos: Sequence[str] = (),
) -> None:
    """End a deployment as failed or cancelled, unless it has ended or another invocation works on it."""
    row = await session.scalar(
        select(Deployment).where(Deployment.id == deployment_id, Deployment.project_id == project_id)
    )
    if row is None or DeploymentStatus(row.status) in ENDED or row.invocation_id not in (None, operation_id):
        return
    row.status = DeploymentStatus.CANCELLED if is_cancelled else DeploymentStatus.FAILED
    row.failed_step = step
    why = (row.cancel_reason or "cancelled through Restate") if is_cancelled else reason
    row.failure = "; ".join([why, *(f"{COULD_NOT_UNDO} {undo}" for undo in failed_undos)])
    row.failure_log = log
    row.ended_at_ms = now_ms()


def _git_source(deployment: Deployment) -> GitSource | None:
    """Return the git source of a deployment; None if it has none."""
    return GitSource(url=deployment.git_url, ref=deployment.git_ref or "") if deployment.git_url else None


def _not_found(project_id: str, deployment_id: str) -> NotFound:
    return NotFound(
        f"project {project_id} has no deployment {deployment_id}; list what it has with `interlock ls -p {project_id}`"
    )
