"""Deployments before and outside of their workflow: recorded, handed over to Restate, asked to cancel.

Everything here changes a row only in the state it expects, so that a race with the workflow loses cleanly.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRequest:
    """What to deploy and where, checked. Exactly one of `source`, `image` and `git` is set."""

    workspace: str
    project: str
    environment: str
    source: str | None
    image: str | None
    branch: str
    commit_sha: str
    message: str
    git: GitSource | None = None
    # What it says of its own; the project, the source and the defaults say the rest.
    settings: RunSettings = field(default_factory=RunSettings)
    # For this deployment alone.
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    def digest(self) -> str:
        """Tells a repeated request from another one under the same idempotency key."""
        # The key stays, since requests that were recorded before are told apart by digests with it.
        said = asdict(self) | {"key_auth_id": None}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """A deployment and the project whose key its workflow runs under."""

    deployment_id: str
    project_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """A deployment whose place a newer one took, and the queued invocation that is left of it."""

    deployment_id: str
    invocation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """What asking to cancel has come to: `invocation_id` is what is left to cancel, None when nothing is."""

    # False: the deployment had ended before.
    accepted: bool
    invocation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Precedent:
    """What is known before a deployment is recorded."""

    workspace_id: str
    # The deployment that the same request under the same key has become already.
    deployment_id: str | None


async def find_precedent(session: AsyncSession, request: DeploymentRequest, idempotency_key: str | None) -> Precedent:
    """Look before `record_deployment`, which looks again and raises what this raises."""
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

    `pinned_image` is what the request's image means now. It is no part of the request, since a tag may have moved when
    that is repeated.
    It supersedes the deployments of its environment and branch that have not begun. Those that name no branch are of
    one, also when it is for their repositories to say it: nobody has asked these by then.
    The same request under the same key is the same deployment; another one under the key raises Conflict. Raises
    NotFound for an unknown project or environment, and Invalid when the variables of environment and request are too
    much together.
    """
    # The lock makes one after the other of requests that come at once: generations and keys stay unique.
    project = await find_project(session, request.workspace, request.project, lock=True)
    if idempotency_key is not None:
        earlier = await _find_repeat(session, project.id, idempotency_key, request)
        if earlier is not None:
            return earlier
    environment = await find_environment(session, project, request.environment)
    given = overlay(request.settings, read_settings(project))
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
    """Pending deployments that no invocation is known for, oldest first within each project."""
    rows = await session.execute(
        select(Deployment.id, Deployment.project_id)
        .where(Deployment.status == DeploymentStatus.PENDING, Deployment.invocation_id.is_(None))
        .order_by(Deployment.project_id, Deployment.generation)
    )
    return [Handover(deployment_id=deployment, project_id=project) for deployment, project in rows]


async def record_invocation(session: AsyncSession, deployment_id: str, invocation_id: str) -> None:
    """Remember which invocation works on a deployment, unless its workflow or a cancel came first.

    Also for one that was superseded in between: its invocation is to be cancelled.
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
    """Superseded deployments whose invocations may still be queued."""
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
    """Note that nothing is queued for a superseded deployment any more."""
    await session.execute(
        update(Deployment)
        .where(Deployment.id == superseded.deployment_id, Deployment.status == DeploymentStatus.SUPERSEDED)
        .values(invocation_id=None)
    )


async def list_unfinished(session: AsyncSession, project_id: str) -> Sequence[str]:
    """Ids of a project's deployments that have not ended, newest first."""
    return (
        await session.scalars(
            select(Deployment.id)
            .where(Deployment.project_id == project_id, Deployment.status.not_in(ENDED))
            .order_by(Deployment.generation.desc())
        )
    ).all()


async def request_cancel(session: AsyncSession, deployment_id: str, reason: str) -> CancelRequest:
    """Note the wish to cancel; a pending deployment that was never handed over ends here and now."""
    row = await session.get_one(Deployment, deployment_id, with_for_update=True)
    if DeploymentStatus(row.status) in ENDED:
        return CancelRequest(accepted=False)
    # Whoever asked first is the reason.
    row.cancel_reason = row.cancel_reason or reason
    if row.invocation_id is None:
        row.status = DeploymentStatus.CANCELLED
        row.ended_at_ms = now_ms()
    return CancelRequest(accepted=True, invocation_id=row.invocation_id)


async def settle_cancelled(session: AsyncSession, deployment_id: str) -> DeploymentStatus:
    """End a pending deployment whose workflow will never begin; returns its status then."""
    row = await session.get_one(Deployment, deployment_id, with_for_update=True)
    if row.status == DeploymentStatus.PENDING:
        row.status = DeploymentStatus.CANCELLED
        row.ended_at_ms = now_ms()
    return DeploymentStatus(row.status)


async def list_pending_cancels(session: AsyncSession) -> Sequence[tuple[str, str]]:
    """(deployment id, invocation id) of deployments that were handed over and then asked to cancel while pending."""
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
