"""The interface of a backend. krane's gRPC services use nothing else of it.

The promises of a backend are written only here. `tests/krane/contract` checks them on every backend, and
`docs/backends.md` explains how to add one. These hold for every call:

- A call may be repeated. The same call again, also at the same time, takes effect once.
- A call that has begun is finished, even if its caller disconnects.
- Deployments, tasks and images outlive krane: the next krane finds them, and finishes what was interrupted.
- A call sees only its namespace: what belongs to another namespace does not exist for it.
- An invalid id raises `Invalid`. If the backend cannot answer or act now, it raises `Unavailable`. `Unavailable` means
  unknown: the caller asks again, and never treats it as "does not exist".
- Environments and credentials may be secret. They appear in no log, argument, error or answer. A credential is not kept
  longer than the call.
"""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from services.domain.git import GitSource
from services.krane.types import (
    BuildPriority,
    BuildState,
    DeploymentSpec,
    DeploymentState,
    FollowedLine,
    HostCredential,
    KeptVolume,
    LogLine,
    LogQuery,
    StoredSource,
    TaskName,
    TaskSpec,
    TaskState,
    WorkloadStatus,
)


class DeploymentBackend(Protocol):
    """Runs the instances of deployments. The spec of a deployment never changes: it runs, is stopped, or is deleted.

    An instance is healthy when it answers its health check. One that ends after it was healthy is started again; one
    that ends before that has failed until the next `start`. Gateways and krane reach an instance at its address,
    host:port, which stays the same after a restart if possible. What it writes into its folder stays over restarts, is
    seen by no other instance, and goes with the deployment: the image never changes. Volumes are kept: deployments and
    tasks of one namespace and scope share those of the same name.
    """

    async def create(
        self, spec: DeploymentSpec, environment: Mapping[str, str], credential: HostCredential | None = None
    ) -> WorkloadStatus:
        """Record the spec and start its instances; returns before they are healthy.

        The credential is for the registry of the image. Raises Conflict if the id has another spec or environment,
        PreconditionFailed if the image does not exist or cannot run.
        """
        ...

    async def get(self, namespace: str, deployment_id: str, *, probe_now: bool = False) -> DeploymentState:
        """Return the state of a deployment. `probe_now` probes its instances first. Raises NotFound."""
        ...

    async def list(self, namespace: str) -> list[DeploymentState]:
        """Return all deployments of a namespace (empty: of all namespaces), sorted by id.

        The list is complete: a deployment that is not in it does not exist. Raises Unavailable if it cannot be.
        """
        ...

    async def stop(self, namespace: str, deployment_id: str) -> None:
        """Stop the instances and every process that they started; keep what `start` needs. Raises NotFound.

        Each instance gets SIGTERM, and SIGKILL after its grace period. Returns when nothing runs.
        """
        ...

    async def start(self, namespace: str, deployment_id: str, credential: HostCredential | None = None) -> None:
        """Start the instances that are stopped or failed; others are left running.

        Raises NotFound, and PreconditionFailed if the image is lost and cannot be pulled again.
        """
        ...

    async def delete(self, namespace: str, deployment_id: str) -> None:
        """Stop the instances like `stop`, and delete the deployment except for its logs; the id is free again.

        Succeeds if the deployment does not exist.
        """
        ...


class TaskBackend(Protocol):
    """Commands that run once. A task never runs again: if its end was not observed, it counts as failed.

    What it writes into its folder is seen by no other and goes with it: the image never changes.
    """

    async def start(self, spec: TaskSpec, environment: Mapping[str, str]) -> None:
        """Record the task and start its command; returns before it has ended.

        Raises Conflict if the id has another spec or environment, or if the task is cancelled meanwhile;
        PreconditionFailed if the image does not exist.
        """
        ...

    async def get(self, namespace: str, task_id: str, tail_lines: int) -> TaskState:
        """Return the state of a task, with the newest lines of its log. Raises NotFound."""
        ...

    async def names(self) -> list[TaskName]:
        """Return all tasks of all namespaces, sorted by id, also ended ones. Complete, like the list of deployments."""
        ...

    async def cancel(self, namespace: str, task_id: str) -> None:
        """Stop a command and every process that it started; returns when none of them runs.

        Succeeds if the command does not run. A `start` that is still looking for its image does not run the command.
        """
        ...

    async def delete(self, namespace: str, task_id: str) -> None:
        """Cancel a task and delete it, except for its log. Succeeds if it does not exist."""
        ...


class LogBackend(Protocol):
    """The logs of deployments, tasks and builds, line by line. Deleting a deployment keeps its logs.

    Order: the log of the build, of the task, of the instances.
    """

    async def tail(self, namespace: str, deployment_id: str, instance_id: str, lines: int) -> list[LogLine]:
        """Return the newest lines of one instance (empty: of each), at most 3 MiB in all.

        Raises NotFound if there is neither a deployment nor a log.
        """
        ...

    async def follow(self, query: LogQuery, send: Callable[[FollowedLine], Awaitable[None]]) -> None:
        """Send the lines of a query as they are written, until no more can come; none for an unknown deployment.

        A cursor identifies a line as long as that line is kept, also for the next krane: a reader that sends its last
        cursor misses no line and gets none twice. The first line after lost ones is marked. Raises Unavailable if the
        stream is interrupted.
        """
        ...

    def close(self) -> None:
        """Interrupt all `follow` calls, because krane is stopping."""
        ...


class ImageBackend(Protocol):
    """Images, as the backend names them."""

    async def resolve(self, namespace: str, image: str, credential: HostCredential | None) -> str:
        """Pin an image: return a reference that does not move. Raises PreconditionFailed if the image cannot run."""
        ...

    async def pull(self, namespace: str, image: str, credential: HostCredential | None) -> bool:
        """Return whether an image is here; if not, start to pull it in the background. Raises like `resolve`."""
        ...

    async def prune(self, keep: Iterable[str], unneeded_seconds: float) -> list[str]:
        """Remove sources and built images that were unused in all calls of the last `unneeded_seconds`.

        Used are those in `keep`, and those of deployments, running tasks and running builds. Returns the removed ones,
        sorted. If `keep` has something that is neither a source nor an image, raises Invalid and removes nothing.
        """
        ...


class VolumeBackend(Protocol):
    """Folders that outlive deployments and tasks. Only `delete` removes one. A backend may lack them."""

    async def list(self, namespace: str) -> list[KeptVolume]:
        """Return the volumes of a namespace, sorted by scope and name."""
        ...

    async def delete(self, namespace: str, scope: str, name: str) -> None:
        """Delete a volume; succeeds if it is gone. Raises PreconditionFailed while something that runs uses it."""
        ...


class BuildBackend(Protocol):
    """Builds images from sources. A backend may lack it."""

    async def store_source(self, chunks: AsyncIterable[bytes]) -> StoredSource:
        """Store a gzipped tar; the same tar again is the same source. Raises Invalid if it is refused."""
        ...

    async def start(
        self,
        namespace: str,
        build_id: str,
        origin: str | GitSource,
        priority: BuildPriority,
        credentials: Sequence[HostCredential],
    ) -> None:
        """Start a build of a stored source, or of a git source, which is fetched first.

        Credentials are kept until the build has ended. A source that was built before gives the same image without a
        build. If krane dies during a build, the next krane starts the build again. Raises Conflict if the id has
        another source, PreconditionFailed if the source is not here.
        """
        ...

    async def get(self, namespace: str, build_id: str, tail_lines: int) -> BuildState:
        """Return the state of a build, with the newest lines of its log. Raises NotFound."""
        ...

    async def cancel(self, namespace: str, build_id: str) -> None:
        """Stop a build; returns when nothing of it is left. Succeeds if it has ended or does not exist."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """An open backend and its capabilities."""

    deployments: DeploymentBackend
    tasks: TaskBackend
    logs: LogBackend
    images: ImageBackend
    # None: it cannot build; krane refuses uploads and builds.
    builds: BuildBackend | None = None
    # None: it keeps none; krane lists none, and refuses deployments and tasks with one.
    volumes: VolumeBackend | None = None


class BackendOpener(Protocol):
    """Opens a backend, or removes it. The caller holds the lock of the data directory."""

    def open(self) -> AbstractAsyncContextManager[Backend]:
        """Take over what an earlier krane left running; on exit, leave everything running.

        Raises Unavailable if the backend cannot be reached.
        """
        ...

    async def stop_all(self) -> None:
        """Stop everything that runs, but keep the records: the next krane starts it again."""
        ...

    async def remove_all(self) -> None:
        """Stop everything that runs, and remove what is outside of the data directory."""
        ...
