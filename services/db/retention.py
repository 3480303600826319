"""Find the deployments of an environment that may be stopped or removed."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.deployments import candidate
from services.db.operations import previous_live_deployment
from services.db.tables import Deployment, Domain, Environment, Project
from services.domain.retention import surplus
from services.domain.status import DeploymentStatus
from services.domain.stickiness import Sticky


async def find_surplus(
    session: AsyncSession, project_id: str, environment_id: str, status: DeploymentStatus, keep: int
) -> list[str]:
    """Return the ids of deployments with a status that nothing needs, oldest first, without the newest `keep`."""
    rows = await session.execute(
        select(Deployment, Environment)
        .join(Environment, Deployment.environment_id == Environment.id)
        .where(
            Deployment.project_id == project_id,
            Deployment.environment_id == environment_id,
            Deployment.status == status,
        )
    )
    project = await session.get_one(Project, project_id)
    followed = await session.scalars(
        select(Domain.deployment_id).where(Domain.project_id == project_id, Domain.sticky != Sticky.COMMIT)
    )
    needed = {project.live_deployment_id, await previous_live_deployment(session, project_id), *followed} - {None}
    return [d.id for d in surplus([candidate(*row) for row in rows], status, {n for n in needed if n}, keep)]
