"""Effects on the build of a deployment, in krane."""

from dataclasses import replace

from services.db.deployments import Metadata
from services.deployment.secrets import Secrets
from services.domain.errors import PreconditionFailed
from services.domain.git import GitSource
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
        await self._start(metadata, metadata.deployment_id, metadata.source or metadata.git)

    async def start_again(self, metadata: Metadata, build_id: str) -> None:
        """Start another build of a deployment, from its kept source or else from its commit."""
        git = metadata.git and replace(metadata.git, ref=metadata.commit_sha or metadata.git.ref)
        try:
            await self._start(metadata, build_id, metadata.source or git)
        except PreconditionFailed:
            if metadata.source is None or git is None:
                raise
            await self._start(metadata, build_id, git)

    async def observe(self, namespace: str, build_id: str) -> BuildState | None:
        """Return the state of a build, without its log, which must not be journaled; None if krane does not know it."""
        state = await self._krane.get_build(namespace, build_id, tail_lines=1)
        return state and replace(state, log_lines=())

    async def _start(self, metadata: Metadata, build_id: str, origin: str | GitSource | None) -> None:
        if origin is None:
            raise PreconditionFailed(f"deployment {metadata.deployment_id} has no source to build")
        priority = BuildPriority.PRODUCTION if metadata.is_production else BuildPriority.NORMAL
        credentials = await self._secrets.credentials(metadata.workspace_id)
        await self._krane.start_build(metadata.workspace_id, build_id, origin, priority, credentials)

    async def cancel(self, namespace: str, build_id: str) -> None:
        """Cancel the build; succeeds if it has ended or does not exist."""
        await self._krane.cancel_build(namespace, build_id)
