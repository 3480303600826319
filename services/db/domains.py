"""Domains, gateway configs and the live pointer, which a switch changes together.

Only routing uses these writes, in one transaction per operation.
"""

import hashlib
from collections.abc import Sequence

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.clock import now_ms
from services.db.routes import next_revision, read_revision
from services.db.tables import (
    Deployment,
    Domain,
    Environment,
    GatewayConfig,
    Instance,
    Project,
)
from services.domain.errors import NotFound, PreconditionFailed, Unavailable
from services.domain.hostnames import is_routable
from services.domain.routing_plan import Change, DomainRecord, ProjectRouting, RoutingPlan, Target
from services.domain.status import ENDED, DeploymentStatus
from services.domain.stickiness import Sticky


async def load_project(session: AsyncSession, project_id: str) -> ProjectRouting:
    """Read the routing state of a project, and lock it until the transaction ends. Raises NotFound."""
    row = await session.scalar(select(Project).where(Project.id == project_id).with_for_update())
    if row is None:
        raise NotFound(f"there is no project {project_id}; list projects with `interlock project ls`")
    live = await session.get(Deployment, row.live_deployment_id) if row.live_deployment_id else None
    return ProjectRouting(
        id=row.id,
        workspace_id=row.workspace_id,
        live_deployment_id=row.live_deployment_id,
        live_generation=live.generation if live else 0,
        is_rolled_back=row.is_rolled_back,
    )


async def load_target(
    session: AsyncSession, project_id: str, deployment_id: str, statuses: frozenset[DeploymentStatus]
) -> Target:
    """Read the deployment to point at.

    Raises NotFound, PreconditionFailed if it cannot take traffic, Unavailable while it is being cancelled.
    """
    row = (
        await session.execute(
            select(Deployment, Environment)
            .join(Environment, Deployment.environment_id == Environment.id)
            .where(Deployment.id == deployment_id, Deployment.project_id == project_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"project {project_id} has no deployment {deployment_id}")
    deployment, environment = row
    if DeploymentStatus(deployment.status) not in statuses:
        raise PreconditionFailed(f"deployment {deployment_id} is {deployment.status} and cannot take traffic")
    if deployment.cancel_reason is not None and DeploymentStatus(deployment.status) not in ENDED:
        # Its cancel may have been acknowledged, so it must not become live. Restate ends this invocation in a moment.
        raise Unavailable(f"deployment {deployment_id} is being cancelled")
    healthy = select(Instance.id).where(Instance.deployment_id == deployment_id, Instance.healthy).limit(1)
    if await session.scalar(healthy) is None:
        raise PreconditionFailed(f"deployment {deployment_id} has no healthy instance and cannot take traffic")
    return Target(
        deployment_id=deployment.id,
        generation=deployment.generation,
        environment_id=environment.id,
        is_production=environment.is_production,
    )


async def load_domains(session: AsyncSession, project_id: str, hostnames: Sequence[str] = ()) -> Sequence[DomainRecord]:
    """Read all domains of a project, and the records of `hostnames` of any owner."""
    rows = await session.execute(
        select(Domain, Deployment.generation)
        .join(Deployment, Domain.deployment_id == Deployment.id)
        .where(or_(Domain.project_id == project_id, Domain.hostname.in_(hostnames)))
        .order_by(Domain.hostname)
    )
    return [
        DomainRecord(
            id=domain.id,
            hostname=domain.hostname,
            workspace_id=domain.workspace_id,
            project_id=domain.project_id,
            environment_id=domain.environment_id,
            deployment_id=domain.deployment_id,
            generation=generation,
            sticky=Sticky(domain.sticky),
        )
        for domain, generation in rows
    ]


async def apply_plan(session: AsyncSession, project: ProjectRouting, plan: RoutingPlan, apex: str) -> int:
    """Write gateway configs, domains, live pointer and flag; returns the routing revision that gateways must reach."""
    revision = await next_revision(session) if plan.changes else await read_revision(session)
    for change in plan.changes:
        await _apply_change(session, project, change, apex)
    row = await session.get_one(Project, project.id)
    row.live_deployment_id = plan.live_after
    row.is_rolled_back = plan.rolled_back_after
    return revision


async def list_deployment_domains(session: AsyncSession, deployment_id: str) -> Sequence[str]:
    """List the hostnames that point at a deployment, sorted."""
    return (
        await session.scalars(
            select(Domain.hostname).where(Domain.deployment_id == deployment_id).order_by(Domain.hostname)
        )
    ).all()


async def list_sticky_domains(session: AsyncSession, project_id: str, environment_id: str) -> Sequence[str]:
    """List the ids of the project's domains that follow live or the environment, by hostname.

    Raises PreconditionFailed if there are none.
    """
    follows_environment = (Domain.sticky == Sticky.ENVIRONMENT) & (Domain.environment_id == environment_id)
    found = (
        await session.scalars(
            select(Domain.id)
            .where(Domain.project_id == project_id, (Domain.sticky == Sticky.LIVE) | follows_environment)
            .order_by(Domain.hostname)
        )
    ).all()
    if not found:
        raise PreconditionFailed(f"project {project_id} has no domain to move; deploy to production first")
    return found


async def _apply_change(session: AsyncSession, project: ProjectRouting, change: Change, apex: str) -> None:
    if change.after is None:
        await session.execute(delete(GatewayConfig).where(GatewayConfig.hostname == change.hostname))
        await session.execute(delete(Domain).where(Domain.hostname == change.hostname))
        return
    deployment = await session.get_one(Deployment, change.after)
    if is_routable(change.hostname, apex):
        await session.merge(GatewayConfig(hostname=change.hostname, deployment_id=deployment.id))
    domain = await session.scalar(select(Domain).where(Domain.hostname == change.hostname))
    if domain is None:
        domain = Domain(
            id=_domain_id(change.hostname),
            hostname=change.hostname,
            workspace_id=project.workspace_id,
            project_id=project.id,
            sticky=change.sticky,
            created_at_ms=now_ms(),
        )
        session.add(domain)
    domain.deployment_id = deployment.id
    domain.environment_id = deployment.environment_id


def _domain_id(hostname: str) -> str:
    return f"dom_{hashlib.sha256(hostname.encode()).hexdigest()[:24]}"
