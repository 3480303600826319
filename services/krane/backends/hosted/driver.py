"""What a backend adds to the shared deployments."""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Protocol

from services.krane.backends.hosted.deployment import HostedDeployment
from services.krane.backends.shared.log_lines import Place
from services.krane.types import DeploymentSpec, FollowedLine, HostCredential, LogQuery


class Driver(Protocol):
    """How one backend keeps deployments. The ids it is given were checked."""

    async def recorded(self) -> list[HostedDeployment]:
        """Every deployment that an earlier krane wrote down; what it left half-made is removed."""
        ...

    async def resolve(self, image: str, credential: HostCredential | None) -> str:
        """What an image means now, as a reference that stays.

        Raises Invalid or PreconditionFailed when it cannot be run, Unavailable when that cannot be said now.
        """
        ...

    async def pull(self, image: str, credential: HostCredential | None) -> bool:
        """Whether an image is here, after a moment; it is being fetched when it is not. Raises as `resolve`."""
        ...

    async def plan(
        self, spec: DeploymentSpec, environment: Mapping[str, str], credential: HostCredential | None
    ) -> HostedDeployment:
        """A deployment that is not written down yet. Its environment may be secret; the credential is not kept.

        Raises Invalid or PreconditionFailed when its image cannot be run, Unavailable when that cannot be said now.
        """
        ...

    async def sweep(self, namespace: str, deployment_id: str) -> None:
        """Remove what is left of a deployment that was never written down as a whole."""
        ...

    def logged(self, namespace: str, deployment_id: str) -> list[str]:
        """The instances of which logs are kept, also when the deployment is deleted."""
        ...

    async def tail(self, namespace: str, deployment_id: str, instance_id: str, lines: int, max_bytes: int) -> list[str]:
        """The newest log lines of one instance, oldest first; at most `max_bytes` of them."""
        ...

    def follow_log(
        self, query: LogQuery, instance_id: str, place: Place, is_over: Callable[[], bool]
    ) -> AsyncGenerator[list[FollowedLine]]:
        """What is new in the log of one instance, some lines at a time, until it is over and everything was read.

        `is_over` says that nothing more will be written. Raises Unavailable.
        """
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...
