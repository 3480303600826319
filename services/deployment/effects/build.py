"""Effects on the build of a deployment, in krane."""

from dataclasses import replace

from services.db.deployments import Metadata
from services.deployment.secrets import Secrets
from services.domain.errors import PreconditionFailed
from services.krane.client import KraneClient
from services.krane.types import BuildPriority, BuildState


class BuildEffects:
    """The build of a deployment."""

    def __init__(self, krane: KraneClient, secrets: Secrets) -> None:
        self._krane = krane
        self._secrets = secrets

    async def start(self, metadata: Metadata) -> None:
        """Start the build of the image."""
        # Both are there if what git had was fetched for an earlier deployment.
        origin = metadata.source or metadata.git
        if origin is None:
            raise PreconditionFailed(f"deployment {metadata.deployment_id} has no source to build")
        priority = BuildPriority.PRODUCTION if metadata.is_production else BuildPriority.NORMAL
        credentials = await self._secrets.credentials(metadata.workspace_id)
        await self._krane.start_build(metadata.workspace_id, metadata.deployment_id, origin, priority, credentials)

    async def observe(self, namespace: str, build_id: str) -> BuildState | None:
        """Return the state of a build, without its log, which must not be journaled; None if krane does not know it."""
        state = await self._krane.get_build(namespace, build_id, tail_lines=1)
        return state and replace(state, log_lines=())

    async def cancel(self, namespace: str, build_id: str) -> None:
        """Cancel the build; succeeds if it has ended or does not exist."""
        await self._krane.cancel_build(namespace, build_id)
