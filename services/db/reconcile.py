"""Queries of the reconciler: deployments to compare with krane, images in use, and operations to undo."""

from collections.abc import Collection, Sequence

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.tables import Deployment, Domain, GatewayConfig, Instance, Project, RoutingOperation
from services.domain.reconcile import Recorded
from services.domain.status import GONE, DeploymentStatus
from services.domain.stickiness import Sticky


async def read_recorded(session: AsyncSession, ids: Collection[str]) -> tuple[Recorded, ...]:
    """Read the deployments that have, or should have, something running or stored, and those in `ids`."""
    followed = set(await session.scalars(select(Domain.deployment_id).where(Domain.sticky != Sticky.COMMIT)))
    followed |= {live for live in await session.scalars(select(Project.live_deployment_id)) if live}
    traced: set[str] = set()
    for column in (Domain.deployment_id, GatewayConfig.deployment_id, Instance.deployment_id):
        traced |= set(await session.scalars(select(column).distinct()))
    rows = await session.scalars(
        select(Deployment).where(or_(Deployment.status.not_in(GONE), Deployment.id.in_(traced | set(ids))))
    )
    return tuple(
        Recorded(
            id=row.id,
            workspace_id=row.workspace_id,
            project_id=row.project_id,
            status=DeploymentStatus(row.status),
            invocation_id=row.invocation_id,
            is_cancel_requested=row.cancel_reason is not None,
            is_followed=row.id in followed,
            has_traces=row.id in traced,
        )
        for row in rows
    )


async def read_status(session: AsyncSession, deployment_id: str) -> DeploymentStatus | None:
    """Return the status of a deployment; None if it does not exist."""
    status = await session.scalar(select(Deployment.status).where(Deployment.id == deployment_id))
    return DeploymentStatus(status) if status else None


async def list_standing_operations(session: AsyncSession, deployment_id: str) -> Sequence[str]:
    """List the ids of routing operations that moved domains to a deployment and were not undone, newest first."""
    return (
        await session.scalars(
            select(RoutingOperation.id)
            .where(RoutingOperation.deployment_id == deployment_id, ~RoutingOperation.is_undone)
            .order_by(RoutingOperation.revision.desc(), RoutingOperation.id)
        )
    ).all()


async def list_needed_images(session: AsyncSession) -> list[str]:
    """List the images and sources of all deployments that run, can be started again, or have not ended; sorted."""
    rows = await session.execute(
        select(Deployment.image, Deployment.source).where(Deployment.status.not_in(GONE)).distinct()
    )
    return sorted({reference for row in rows for reference in row if reference})
