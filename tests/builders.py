"""Create rows for tests of the database and of routing, each in one transaction."""

from sqlalchemy import select

from services.db.clock import now_ms
from services.db.engine import Database
from services.db.ids import new_id
from services.db.instances import upsert_instances
from services.db.projects import PRODUCTION, create_project, find_environment
from services.db.tables import Deployment, Project
from services.domain.readiness import InstanceState, InstanceStatus
from services.domain.status import DeploymentStatus


async def add_project(database: Database, slug: str = "api", *, workspace: str = "acme") -> Project:
    """A project with its production and preview environments, and its workspace."""
    async with database.write() as session:
        return await create_project(session, workspace, slug)


async def add_deployment(
    database: Database,
    project_id: str,
    *,
    environment: str = PRODUCTION,
    status: DeploymentStatus = DeploymentStatus.READY,
    healthy: bool = True,
    invocation_id: str | None = None,
) -> Deployment:
    """Add the project's next deployment, with one instance if it is healthy."""
    async with database.write() as session:
        project = (await session.scalars(select(Project).where(Project.id == project_id))).one()
        project.last_generation += 1
        deployment = Deployment(
            id=new_id("d"),
            workspace_id=project.workspace_id,
            project_id=project.id,
            environment_id=(await find_environment(session, project, environment)).id,
            generation=project.last_generation,
            status=status,
            invocation_id=invocation_id,
            created_at_ms=now_ms(),
        )
        session.add(deployment)
        await session.flush()
        if healthy:
            await upsert_instances(session, deployment.id, [running("i_1")])
        return deployment


def running(instance_id: str, address: str = "127.0.0.1:9000", *, healthy: bool = True) -> InstanceState:
    """A running instance as krane reports it."""
    return InstanceState(id=instance_id, address=address, status=InstanceStatus.RUNNING, healthy=healthy)
