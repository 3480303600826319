"""Effects that retire deployments which are no longer needed."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.config import DeploySettings
from services.db import deployments, instances, retention
from services.db.engine import Database
from services.domain.status import DeploymentStatus


class RetentionEffects:
    """Effects on deployments that are no longer needed."""

    def __init__(self, database: Database, settings: DeploySettings) -> None:
        self._database = database
        self._settings = settings

    async def select(self, project_id: str, deployment_id: str) -> list[str]:
        """Return the ids of deployments to retire in the environment of this one."""
        async with self._database.read() as session:
            environment_id = (await deployments.fetch_candidate(session, project_id, deployment_id)).environment_id
            return await self._find_surplus(session, project_id, environment_id, DeploymentStatus.READY)

    async def retire(self, project_id: str, deployment_id: str) -> deployments.Metadata | None:
        """Set the status to stopped if the deployment is still not needed; returns None if it is needed again.

        Also sets the oldest stopped deployments to removed; the reconciler then deletes what is left of them.
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
