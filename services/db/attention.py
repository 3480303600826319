"""Queries of the attention list: deployments that have not ended, or that left something behind."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.deployments import COULD_NOT_UNDO
from services.db.tables import Deployment, DeploymentStep, Domain, GatewayConfig, Instance, Workspace
from services.domain.status import ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A deployment that has not ended."""

    deployment: Deployment
    # Start of its first step; None before that.
    began_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedUndo:
    """A deployment that ended with an undo that failed permanently."""

    deployment: Deployment
    # True: a domain, a gateway config or an instance record still refers to it.
    has_traces: bool


async def list_unfinished(session: AsyncSession, workspace: str) -> list[Unfinished]:
    """List the deployments of a workspace (by slug) that have not ended, by project and generation."""
    began = (
        select(func.min(DeploymentStep.started_at_ms))
        .where(DeploymentStep.deployment_id == Deployment.id)
        .scalar_subquery()
    )
    rows = await session.execute(
        select(Deployment, began)
        .join(Workspace, Deployment.workspace_id == Workspace.id)
        .where(Workspace.slug == workspace, Deployment.status.not_in(ENDED))
        .order_by(Deployment.project_id, Deployment.generation)
    )
    return [Unfinished(deployment=deployment, began_at_ms=began_at_ms) for deployment, began_at_ms in rows]


async def list_failed_undos(session: AsyncSession, workspace: str) -> Sequence[FailedUndo]:
    """List the deployments of a workspace (by slug) with a failed undo, by project and generation."""
    columns = (Domain.deployment_id, GatewayConfig.deployment_id, Instance.deployment_id)
    rows = await session.execute(
        select(Deployment, or_(*(select(column).where(column == Deployment.id).exists() for column in columns)))
        .join(Workspace, Deployment.workspace_id == Workspace.id)
        .where(Workspace.slug == workspace, Deployment.failure.contains(COULD_NOT_UNDO))
        .order_by(Deployment.project_id, Deployment.generation)
    )
    return [FailedUndo(deployment=deployment, has_traces=bool(has_traces)) for deployment, has_traces in rows]
