"""Which deployments an environment lets go."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.config import DeploySettings
from services.db import deployments, instances, retention
from services.db.engine import Database
from services.domain.status import DeploymentStatus


class RetentionEffects:
    """The deployments that nothing needs any more."""

    def __init__(self, database: Database, settings: DeploySettings) -> None:
        self._database = database
        self._settings = settings

    async def select(self, project_id: str, deployment_id: str) -> list[str]:
        """Deployments to retire in the environment of this one."""
        async with self._database.read() as session:
            environment_id = (await deployments.fetch_candidate(session, project_id, deployment_id)).environment_id
            return await self._find_surplus(session, project_id, environment_id, DeploymentStatus.READY)

    async def retire(self, project_id: str, deployment_id: str) -> deployments.Metadata | None:
        """Status: stopped, if it still is surplus; None when it is needed again.

        Of those stopped before, the oldest are removed: the reconciler takes away what is left of them.
        """
        async with self._database.write() as session:
            metadata = await deployments.fetch_metadata(session, project_id, deployment_id)
            if metadata.status is DeploymentStatus.STOPPED:
                return metadata
            environment_id = metadata.environment_id
            if deployment_id not in await self._find_surplus(
                session, project_id, environment_id, DeploymentStatus.READY
            ):
                return None
            await deployments.set_status(session, deployment_id, DeploymentStatus.STOPPED)
            await instances.delete_instances(session, deployment_id)
            for oldest in await self._find_surplus(session, project_id, environment_id, DeploymentStatus.STOPPED):
                await deployments.set_status(session, oldest, DeploymentStatus.REMOVED)
            return metadata

    async def _find_surplus(
        self, session: AsyncSession, project_id: str, environment_id: str, status: DeploymentStatus
    ) -> list[str]:
        is_ready = status is DeploymentStatus.READY
        keep = self._settings.keep_ready if is_ready else self._settings.keep_stopped
        return await retention.find_surplus(session, project_id, environment_id, status, keep)
