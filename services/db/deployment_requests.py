"""Create deployments, hand them over to Restate, and request cancels: all writes outside of the workflow.

Each write changes a row only in the state that it expects, so it has no effect if the workflow was faster.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.clock import now_ms
from services.db.deployment_settings import write_effective, write_given
from services.db.ids import new_id
from services.db.project_settings import read_settings
from services.db.projects import find_environment, find_project
from services.db.recorded_environment import record_environment
from services.db.tables import Deployment
from services.domain.errors import Conflict
from services.domain.git import GitSource
from services.domain.settings import RunSettings, overlay, resolve
from services.domain.status import ENDED, DeploymentStatus

# Settings that every stored digest of a request includes, also those that were not set.
_FIRST_SETTINGS = (
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRequest:
    """A checked request to deploy. Exactly one of `source`, `image` and `git` is set.

    Only a redeploy has both `git` and `source`, which was fetched from it.
    """

    workspace: str
    project: str
    environment: str
    source: str | None
    image: str | None
    branch: str
    commit_sha: str
    message: str
    # The source holds something else than the commit.
    is_dirty: bool = False
    git: GitSource | None = None
    # Settings of this request; others come from the project, the source or the defaults.
    settings: RunSettings = field(default_factory=RunSettings)
    # False: settings of the project do not count; those of an earlier deployment are repeated.
    uses_project_settings: bool = True
    # Variables for this deployment only.
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    def digest(self) -> str:
        """Return a digest, to tell a repeated request from another one with the same idempotency key."""
        # Keep this key: the stored digests of earlier requests include it.
        said = asdict(self) | {"key_auth_id": None}
        # What was added since counts only where it is set.
        given = self.settings.set_fields()
        said["settings"] = dict.fromkeys(_FIRST_SETTINGS) | given
        if not self.is_dirty:
            del said["is_dirty"]
        if self.uses_project_settings:
            del said["uses_project_settings"]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """A deployment to hand over, and its project, which is the key of the workflow."""

    deployment_id: str
    project_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """A superseded deployment and its queued invocation."""

    deployment_id: str
    invocation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """The result of a cancel request; `invocation_id` is the invocation to cancel, None if there is none."""

    # False: the deployment had already ended.
    accepted: bool
    invocation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Precedent:
    """The workspace of a request, and the deployment that it has already created, if any."""

    workspace_id: str
    # Created by the same request with the same idempotency key.
    deployment_id: str | None


async def find_precedent(session: AsyncSession, request: DeploymentRequest, idempotency_key: str | None) -> Precedent:
    """Check a request before `record_deployment`, which repeats the check; raises the same errors."""
    project = await find_project(session, request.workspace, request.project)
    await find_environment(session, project, request.environment)
    earlier = idempotency_key and await _find_repeat(session, project.id, idempotency_key, request)
    return Precedent(workspace_id=project.workspace_id, deployment_id=earlier or None)


async def record_deployment(
    session: AsyncSession,
    request: DeploymentRequest,
    idempotency_key: str | None,
    *,
    pinned_image: str | None = None,
    created_by: str = "",
) -> str:
    """Insert a pending deployment of the project's next generation; returns its id.

    `pinned_image` is the request's image with its current digest. It is not part of the request, because the tag may
    have moved when the request is repeated.

    The new deployment supersedes pending ones of its environment and branch. Deployments without a branch count as one
    branch, even if the repository would give them a name later: it is not known yet.

    The same request with the same key returns the same deployment. Raises Conflict for another request with that key,
    NotFound for an unknown project or environment, and Invalid if the variables exceed the limits.
    """
    # The lock serialises concurrent requests, so that generations and keys stay unique.
    project = await find_project(session, request.workspace, request.project, lock=True)
    if idempotency_key is not None:
        earlier = await _find_repeat(session, project.id, idempotency_key, request)
        if earlier is not None:
            return earlier
    environment = await find_environment(session, project, request.environment)
    project_settings = read_settings(project) if request.uses_project_settings else RunSettings()
    given = overlay(request.settings, project_settings)
    project.last_generation += 1
    deployment = Deployment(
        id=new_id("d"),
        workspace_id=project.workspace_id,
        project_id=project.id,
        environment_id=environment.id,
        generation=project.last_generation,
        status=DeploymentStatus.PENDING,
        source=request.source,
        git_url=request.git.url if request.git else None,
        git_ref=request.git.ref if request.git else None,
        asked_image=request.image,
        image=pinned_image or request.image,
        branch=request.branch,
        commit_sha=request.commit_sha,
        is_dirty=request.is_dirty,
        message=request.message,
        idempotency_key=idempotency_key,
        request_digest=request.digest(),
        created_by=created_by,
        created_at_ms=now_ms(),
    )
    write_given(deployment, given)
    write_effective(deployment, resolve(given))
    await record_environment(session, deployment, request.variables)
    await _supersede_older(session, deployment)
    session.add(deployment)
    return deployment.id


async def list_undelivered(session: AsyncSession) -> list[Handover]:
    """List pending deployments without an invocation, oldest first within each project."""
    rows = await session.execute(
        select(Deployment.id, Deployment.project_id)
        .where(Deployment.status == DeploymentStatus.PENDING, Deployment.invocation_id.is_(None))
        .order_by(Deployment.project_id, Deployment.generation)
    )
    return [Handover(deployment_id=deployment, project_id=project) for deployment, project in rows]


async def record_invocation(session: AsyncSession, deployment_id: str, invocation_id: str) -> None:
    """Record the invocation of a deployment, unless its workflow or a cancel came first.

    Also records it for one that was superseded meanwhile, because its invocation must be cancelled.
    """
    await session.execute(
        update(Deployment)
        .where(
            Deployment.id == deployment_id,
            Deployment.status.in_((DeploymentStatus.PENDING, DeploymentStatus.SUPERSEDED)),
            Deployment.invocation_id.is_(None),
        )
        .values(invocation_id=invocation_id)
    )


async def list_superseded(session: AsyncSession) -> list[Superseded]:
    """List superseded deployments whose invocations may still be queued."""
    rows = await session.execute(
        select(Deployment.id, Deployment.invocation_id).where(
            Deployment.status == DeploymentStatus.SUPERSEDED, Deployment.invocation_id.is_not(None)
        )
    )
    return [
        Superseded(deployment_id=deployment, invocation_id=invocation)
        for deployment, invocation in rows
        if invocation is not None
    ]


async def forget_invocation(session: AsyncSession, superseded: Superseded) -> None:
    """Record that a superseded deployment has no queued invocation any more."""
    await session.execute(
        update(Deployment)
        .where(Deployment.id == superseded.deployment_id, Deployment.status == DeploymentStatus.SUPERSEDED)
        .values(invocation_id=None)
    )


async def list_unfinished(session: AsyncSession, project_id: str) -> Sequence[str]:
    """List the ids of a project's deployments that have not ended, newest first."""
    return (
        await session.scalars(
            select(Deployment.id)
            .where(Deployment.project_id == project_id, Deployment.status.not_in(ENDED))
            .order_by(Deployment.generation.desc())
        )
    ).all()


async def request_cancel(session: AsyncSession, deployment_id: str, reason: str) -> CancelRequest:
    """Record a cancel request; a pending deployment that was not handed over ends at once."""
    row = await session.get_one(Deployment, deployment_id, with_for_update=True)
    if DeploymentStatus(row.status) in ENDED:
        return CancelRequest(accepted=False)
    # Keep the reason of the first request.
    row.cancel_reason = row.cancel_reason or reason
    if row.invocation_id is None:
        row.status = DeploymentStatus.CANCELLED
        row.ended_at_ms = now_ms()
    return CancelRequest(accepted=True, invocation_id=row.invocation_id)


async def end_cancelled(session: AsyncSession, deployment_id: str) -> DeploymentStatus:
    """End a pending deployment whose workflow will never begin; returns the resulting status."""
    row = await session.get_one(Deployment, deployment_id, with_for_update=True)
    if row.status == DeploymentStatus.PENDING:
        row.status = DeploymentStatus.CANCELLED
        row.ended_at_ms = now_ms()
    return DeploymentStatus(row.status)


async def list_pending_cancels(session: AsyncSession) -> Sequence[tuple[str, str]]:
    """List (deployment id, invocation id) of pending deployments that were handed over and have a cancel request."""
    rows = await session.execute(
        select(Deployment.id, Deployment.invocation_id).where(
            Deployment.status == DeploymentStatus.PENDING,
            Deployment.cancel_reason.is_not(None),
            Deployment.invocation_id.is_not(None),
        )
    )
    return [(deployment, invocation) for deployment, invocation in rows if invocation is not None]


async def _supersede_older(session: AsyncSession, newer: Deployment) -> None:
    await session.execute(
        update(Deployment)
        .where(
            Deployment.environment_id == newer.environment_id,
            Deployment.branch == newer.branch,
            Deployment.generation < newer.generation,
            Deployment.status == DeploymentStatus.PENDING,
        )
        .values(
            status=DeploymentStatus.SUPERSEDED,
            failure=f"superseded by newer deployment {newer.id}; follow it with `interlock watch {newer.id}`",
            ended_at_ms=newer.created_at_ms,
        )
    )


async def _find_repeat(
    session: AsyncSession, project_id: str, idempotency_key: str, request: DeploymentRequest
) -> str | None:
    earlier = await session.scalar(
        select(Deployment).where(Deployment.project_id == project_id, Deployment.idempotency_key == idempotency_key)
    )
    if earlier is None:
        return None
    if earlier.request_digest != request.digest():
        raise Conflict(
            f"idempotency key {idempotency_key!r} was used for deployment {earlier.id} with another request; "
            "repeat that request or use a new key"
        )
    return earlier.id
