"""Effects on the row of a deployment and on the log of its steps."""

from services.db import deployments
from services.db.engine import Database
from services.db.steps import end_open_steps
from services.domain.errors import Conflict, InterlockError, PreconditionFailed
from services.domain.status import DeploymentStatus
from services.durable.saga import Failure
from services.krane.client import KraneClient
from services.krane.types import AppSettings, BuildState, task_log_name

# Number of log lines stored with a failed deployment.
FAILURE_LOG_LINES = 50
# If one of these steps fails, the log of the release command is stored.
RELEASE_STEPS = ("start release command", "release command")


class RowEffects:
    """Effects on the row of a deployment."""

    def __init__(self, database: Database, krane: KraneClient) -> None:
        self._database = database
        self._krane = krane

    async def fetch(self, project_id: str, deployment_id: str, image: str) -> deployments.Metadata:
        """Read a pending deployment, after adding a given image to it, or a ready one.

        Raises NotFound, Conflict if it has ended otherwise or has another image, PreconditionFailed if it has neither
        an image nor a source.
        """
        async with self._database.write() as session:
            await deployments.fill_in(session, project_id, deployment_id, image)
            metadata = await deployments.fetch_metadata(session, project_id, deployment_id)
        if metadata.status not in (DeploymentStatus.PENDING, DeploymentStatus.READY):
            raise Conflict(f"deployment {deployment_id} is already {metadata.status}; create a new deployment")
        if not (metadata.image or metadata.source or metadata.git):
            raise PreconditionFailed(f"deployment {deployment_id} has neither an image nor a source; name one")
        return metadata

    async def claim(self, deployment_id: str, invocation_id: str) -> None:
        """Set the status to building, and record the invocation."""
        async with self._database.write() as session:
            await deployments.claim(session, deployment_id, invocation_id)

    async def set_status(self, deployment_id: str, status: DeploymentStatus) -> None:
        """Advance the status of a deployment."""
        async with self._database.write() as session:
            await deployments.set_status(session, deployment_id, status)

    async def set_source(self, deployment_id: str, fetched: BuildState) -> None:
        """Record the fetched source."""
        async with self._database.write() as session:
            await deployments.set_source(
                session, deployment_id, fetched.source, fetched.commit, default_branch=fetched.branch
            )

    async def set_image(
        self, project_id: str, deployment_id: str, image: str, said: AppSettings
    ) -> deployments.Metadata:
        """Set the status to deploying, and record the image and the settings of the source."""
        async with self._database.write() as session:
            await deployments.set_image(session, deployment_id, image, said.run, said.environment)
            await deployments.set_status(session, deployment_id, DeploymentStatus.DEPLOYING)
            return await deployments.fetch_metadata(session, project_id, deployment_id)

    async def fail(self, project_id: str, deployment_id: str, operation_id: str, failure: Failure) -> None:
        """End the deployment as failed or cancelled, with the reason and its last log lines."""
        log = await self._failure_log(project_id, deployment_id, failure.step)
        async with self._database.write() as session:
            await deployments.record_failure(
                session,
                project_id,
                deployment_id,
                operation_id,
                step=failure.step,
                reason=failure.reason,
                log=log,
                is_cancelled=failure.is_cancelled,
                failed_undos=failure.failed_undos,
            )
            await end_open_steps(session, operation_id=operation_id, failed_step=failure.step, error=failure.reason)

    async def close_steps(self, operation_id: str, failure: Failure) -> None:
        """Close the step log of a failed operation that changed nothing."""
        async with self._database.write() as session:
            await end_open_steps(session, operation_id=operation_id, failed_step=failure.step, error=failure.reason)

    async def _failure_log(self, project_id: str, deployment_id: str, step: str) -> str:
        try:
            async with self._database.read() as session:
                namespace = (await deployments.fetch_metadata(session, project_id, deployment_id)).workspace_id
            if step == "build":
                build = await self._krane.get_build(namespace, deployment_id, tail_lines=FAILURE_LOG_LINES)
                return "\n".join(build.log_lines) if build else ""
            return await self._app_log(namespace, deployment_id, is_release=step in RELEASE_STEPS)
        except InterlockError:
            # The reason is more important than the log: record it even if krane is unavailable.
            return ""

    async def _app_log(self, namespace: str, deployment_id: str, *, is_release: bool) -> str:
        lines = await self._krane.logs(namespace, deployment_id, tail_lines=FAILURE_LOG_LINES)
        release = task_log_name(deployment_id)
        # The log of a successful release command does not explain the failure.
        shown = [line.text for line in lines if (line.instance_id == release) == is_release]
        return "\n".join(shown[-FAILURE_LOG_LINES:])
