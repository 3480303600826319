"""Queries for display: deployments with their project and environment, and the domains of a project.

A deployment is found only in its own workspace.
"""

from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.tables import Deployment, Domain, Environment, Project, Workspace
from services.domain.errors import NotFound


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """A deployment with its project and environment."""

    deployment: Deployment
    project: Project
    environment: Environment


@dataclass(frozen=True, slots=True)
class DomainView:
    """A domain with its environment."""

    domain: Domain
    environment: Environment


async def find_deployment(session: AsyncSession, workspace: str, deployment_id: str) -> DeploymentView:
    """Return a deployment of a workspace (by slug); raises NotFound."""
    query = (
        _deployments()
        .join(Workspace, Deployment.workspace_id == Workspace.id)
        .where(Workspace.slug == workspace, Deployment.id == deployment_id)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise NotFound(f"workspace {workspace!r} has no deployment {deployment_id!r}; see `interlock ls -p PROJECT`")
    return DeploymentView(*row)


async def list_deployments(session: AsyncSession, project_id: str, limit: int) -> list[DeploymentView]:
    """List at most `limit` deployments of a project, newest first."""
    query = (
        _deployments().where(Deployment.project_id == project_id).order_by(Deployment.generation.desc()).limit(limit)
    )
    return [DeploymentView(*row) for row in (await session.execute(query))]


async def latest_deployments(session: AsyncSession, project_id: str) -> dict[str, DeploymentView]:
    """Return the newest deployment of each environment that has one, by environment id."""
    newest = (
        select(func.max(Deployment.generation))
        .where(Deployment.project_id == project_id)
        .group_by(Deployment.environment_id)
    )
    query = _deployments().where(Deployment.project_id == project_id, Deployment.generation.in_(newest))
    rows = await session.execute(query)
    return {
        environment.id: DeploymentView(deployment, project, environment) for deployment, project, environment in rows
    }


async def list_project_domains(session: AsyncSession, project_id: str) -> list[DomainView]:
    """List the domains of a project, by hostname."""
    return await _domains(session, _all_domains().where(Domain.project_id == project_id))


async def list_deployment_domains(session: AsyncSession, deployment_id: str) -> list[DomainView]:
    """List the domains that point at a deployment, by hostname."""
    return await _domains(session, _all_domains().where(Domain.deployment_id == deployment_id))


async def _domains(session: AsyncSession, query: Select[Domain, Environment]) -> list[DomainView]:
    rows = await session.execute(query.order_by(Domain.hostname))
    return [DomainView(domain, environment) for domain, environment in rows]


def _all_domains() -> Select[Domain, Environment]:
    return select(Domain, Environment).join(Environment, Domain.environment_id == Environment.id)


def _deployments() -> Select[Deployment, Project, Environment]:
    return (
        select(Deployment, Project, Environment)
        .join(Project, Deployment.project_id == Project.id)
        .join(Environment, Deployment.environment_id == Environment.id)
    )
