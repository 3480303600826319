"""What krane's services call, whatever runs the instances."""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.domain.git import GitSource
from services.krane.types import (
    BuildPriority,
    BuildState,
    BuildStatus,
    DeploymentSpec,
    DeploymentState,
    FollowedLine,
    LogLine,
    LogQuery,
    RegistryCredential,
    StoredSource,
    TaskName,
    TaskSpec,
    TaskState,
    WorkloadStatus,
)


class Deployments(Protocol):
    """The deployments of one installation. Each call raises Invalid for what is no id."""

    async def resolve(self, namespace: str, image: str, credential: RegistryCredential | None) -> str:
        """What an image means now, as a reference that stays. Raises PreconditionFailed or Unavailable."""
        ...

    async def pull(self, namespace: str, image: str, credential: RegistryCredential | None) -> bool:
        """Whether an image is here; it is being fetched when it is not. Raises PreconditionFailed or Unavailable."""
        ...

    async def create(
        self, spec: DeploymentSpec, environment: Mapping[str, str], credential: RegistryCredential | None = None
    ) -> WorkloadStatus:
        """Start what the spec says, or find it started. Raises Conflict, PreconditionFailed or Unavailable."""
        ...

    def get(self, namespace: str, deployment_id: str) -> DeploymentState:
        """How a deployment is. Raises NotFound."""
        ...

    async def probe(self, namespace: str, deployment_id: str) -> DeploymentState:
        """How a deployment is, with its instances asked at this moment. Raises NotFound."""
        ...

    def in_namespace(self, namespace: str) -> list[DeploymentState]:
        """All deployments of a namespace, or of all namespaces when it is empty, by id."""
        ...

    async def stop(self, namespace: str, deployment_id: str) -> None:
        """End the instances and keep what is needed to start them again. Raises NotFound or Unavailable."""
        ...

    async def start(self, namespace: str, deployment_id: str, credential: RegistryCredential | None = None) -> None:
        """Start what is stopped or failed; what runs is left as it is.

        Raises NotFound, Unavailable, or PreconditionFailed when its image is gone and cannot be had again.
        """
        ...

    async def delete(self, namespace: str, deployment_id: str) -> None:
        """End the instances and forget the deployment, except for its logs. Raises Unavailable."""
        ...

    async def logs(self, namespace: str, deployment_id: str, instance_id: str, lines: int) -> list[LogLine]:
        """The newest lines of one instance, or of each when it is empty; also after a delete. Raises NotFound."""
        ...


class Tasks(Protocol):
    """The commands that are run once. Each call raises Invalid for what is no id."""

    async def start(self, spec: TaskSpec, environment: Mapping[str, str]) -> None:
        """Run a command, or find that it was begun. Raises Conflict, PreconditionFailed or Unavailable."""
        ...

    async def get(self, namespace: str, task_id: str, tail_lines: int) -> TaskState:
        """How far a task is, with the newest lines of its log. Raises NotFound or Unavailable."""
        ...

    def names(self) -> list[TaskName]:
        """All tasks, by id."""
        ...

    async def cancel(self, namespace: str, task_id: str) -> None:
        """Stop a command; returns when nothing of it runs, also when nothing did. Raises Unavailable."""
        ...

    async def delete(self, namespace: str, task_id: str) -> None:
        """Stop a command and forget the task, except for its log. Raises Unavailable."""
        ...


class Logs(Protocol):
    """The logs of deployments and their builds, as they are written."""

    async def follow(self, query: LogQuery, send: Callable[[FollowedLine], Awaitable[None]]) -> None:
        """Send the lines asked for, until nothing more can come. Raises Invalid or Unavailable."""
        ...

    def close(self) -> None:
        """Break off whatever is followed."""
        ...


class Sources(Protocol):
    """Uploaded source trees."""

    async def store(self, chunks: AsyncIterable[bytes]) -> StoredSource:
        """Store a gzipped tar; the same one again is the same source. Raises Invalid when it is refused."""
        ...


class Builds(Protocol):
    """Builds of sources."""

    async def start(
        self,
        namespace: str,
        build_id: str,
        origin: str | GitSource,
        priority: BuildPriority,
        credentials: Sequence[RegistryCredential],
    ) -> None:
        """Begin a build of a source, which may still have to be fetched, or find it begun.

        Raises Invalid, Conflict or PreconditionFailed.
        """
        ...

    def status(self, namespace: str, build_id: str) -> BuildStatus | None:
        """How far a build is; None when it is unknown."""
        ...

    def get(self, namespace: str, build_id: str, tail_lines: int) -> BuildState:
        """How far a build is, with the newest lines of its log. Raises NotFound."""
        ...

    async def cancel(self, namespace: str, build_id: str) -> None:
        """End a build; returns when nothing is left, also when nothing was there."""
        ...


class Pruning(Protocol):
    """Removal of what nobody needs."""

    async def prune(self, keep: Iterable[str], unneeded_seconds: float) -> list[str]:
        """Remove what was unneeded in all calls of the last `unneeded_seconds`; returns it sorted. Raises Invalid."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """The parts of an open backend."""

    deployments: Deployments
    tasks: Tasks
    logs: Logs
    sources: Sources
    builds: Builds
    pruning: Pruning
