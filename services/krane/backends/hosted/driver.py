"""What a hosted backend implements for deployments."""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Protocol

from services.krane.backends.hosted.deployment import HostedDeployment
from services.krane.backends.shared.log_lines import Place
from services.krane.types import DeploymentSpec, FollowedLine, HostCredential, LogQuery


class Driver(Protocol):
    """Keeps the deployments of one backend. Callers pass checked ids."""

    async def recorded(self) -> list[HostedDeployment]:
        """Return every recorded deployment, and remove what an earlier krane left half-created."""
        ...

    async def resolve(self, image: str, credential: HostCredential | None) -> str:
        """Return a fixed reference to what the image name means now.

        Raises Invalid or PreconditionFailed if the image cannot run, Unavailable if that is unknown now.
        """
        ...

    async def pull(self, image: str, credential: HostCredential | None) -> bool:
        """Wait a moment and return whether the image is here; if not, the pull goes on. Raises like `resolve`."""
        ...

    async def plan(
        self, spec: DeploymentSpec, environment: Mapping[str, str], credential: HostCredential | None
    ) -> HostedDeployment:
        """Return a deployment that is not recorded yet. The environment may be secret; the credential is not kept.

        Raises Invalid or PreconditionFailed if the image cannot run, Unavailable if that is unknown now.
        """
        ...

    async def sweep(self, namespace: str, deployment_id: str) -> None:
        """Remove what is left of a deployment that was never fully recorded."""
        ...

    def logged(self, namespace: str, deployment_id: str) -> list[str]:
        """Return the instances whose logs are kept, also of a deleted deployment."""
        ...

    async def tail(self, namespace: str, deployment_id: str, instance_id: str, lines: int, max_bytes: int) -> list[str]:
        """Return the newest log lines of one instance, oldest first; at most `max_bytes` in all."""
        ...

    def follow_log(
        self, query: LogQuery, instance_id: str, place: Place, is_over: Callable[[], bool]
    ) -> AsyncGenerator[list[FollowedLine]]:
        """Yield new log lines of one instance in groups, until the log is over and everything was read.

        `is_over` returns whether nothing more will be written. Raises Unavailable.
        """
        ...

    async def close(self) -> None:
        """Close clients and connections."""
        ...
