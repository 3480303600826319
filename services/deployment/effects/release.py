"""Effects on the release command of a deployment, in krane."""

from dataclasses import replace

from services.config import DeploySettings
from services.db.deployments import Metadata
from services.deployment.secrets import Secrets
from services.krane.client import KraneClient
from services.krane.types import TaskSpec, TaskState


class ReleaseEffects:
    """The release command of a deployment."""

    def __init__(self, krane: KraneClient, secrets: Secrets, settings: DeploySettings) -> None:
        self._krane = krane
        self._secrets = secrets
        self._settings = settings

    async def start(self, metadata: Metadata, image: str) -> None:
        """Start the release command, with the captured environment of the deployment."""
        environment = await self._secrets.environment(metadata.deployment_id)
        await self._krane.start_task(
            TaskSpec(
                namespace=metadata.workspace_id,
                task_id=metadata.deployment_id,
                image=image,
                run=metadata.run,
                timeout_seconds=self._settings.release_timeout_seconds,
                volume_scope=metadata.volume_scope,
            ),
            environment,
        )

    async def observe(self, namespace: str, task_id: str) -> TaskState | None:
        """Return the state of the release command, without its log; None if krane does not know it."""
        state = await self._krane.get_task(namespace, task_id, tail_lines=1)
        return state and replace(state, log_lines=())

    async def delete(self, namespace: str, task_id: str) -> None:
        """Stop the command and delete it, except for its log; succeeds if it does not exist."""
        await self._krane.delete_task(namespace, task_id)
