"""What a backend promises. krane's gRPC services call nothing else of it.

These promises are written here and nowhere else; `tests/krane/contract` checks them on every backend, and
`docs/backends.md` says how to add one. They hold for every call:

- A call may be repeated. The same call again, also at the same time, does the same thing once.
- What a call began is finished, even when its caller goes away.
- What was created outlives krane: the next krane finds it, and finishes what was left half-done.
- Names never cross a namespace: what belongs to another one is not there.
- `Invalid` is raised for what is no id, `Unavailable` when the backend cannot say or do it now. `Unavailable` means
  unknown: its caller asks again, and never takes it for "not there".
- Environments and credentials may be secret. They are in no log, no argument, no error and no answer, and a credential
  is not kept longer than the call.
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
    LogLine,
    LogQuery,
    StoredSource,
    TaskName,
    TaskSpec,
    TaskState,
    WorkloadStatus,
)


class DeploymentBackend(Protocol):
    """Instances that are kept running. A deployment never changes: it is running, stopped or gone.

    An instance that ends after it was healthy is started again; one that ends before has failed, and stays so until
    the next `start`. An instance is healthy when it answers its health check. Its address, host:port, is where gateways
    and krane reach it; it stays the same over restarts where that is possible.
    """

    async def create(
        self, spec: DeploymentSpec, environment: Mapping[str, str], credential: HostCredential | None = None
    ) -> WorkloadStatus:
        """Write down that the spec is to run, and begin; returns before its instances are healthy.

        The credential is for the registry of the image. Raises Conflict when another spec or environment has the id,
        PreconditionFailed when the image is not there or cannot be run.
        """
        ...

    async def get(self, namespace: str, deployment_id: str, *, probe_now: bool = False) -> DeploymentState:
        """How a deployment is. `probe_now` asks its instances at this moment. Raises NotFound."""
        ...

    async def list(self, namespace: str) -> list[DeploymentState]:
        """Every deployment of a namespace, or of all when it is empty, sorted by id.

        The answer is whole: what is not in it is gone. When it cannot be whole, Unavailable is raised.
        """
        ...

    async def stop(self, namespace: str, deployment_id: str) -> None:
        """End the instances, with every process that they started; keep what `start` needs. Raises NotFound.

        An instance is asked to end, and killed when its grace period is over. Returns when nothing runs.
        """
        ...

    async def start(self, namespace: str, deployment_id: str, credential: HostCredential | None = None) -> None:
        """Start what is stopped or failed; what runs is left as it is.

        Raises NotFound, and PreconditionFailed when the image is gone and cannot be had again.
        """
        ...

    async def delete(self, namespace: str, deployment_id: str) -> None:
        """End the instances as `stop` does, and forget the deployment, except for its logs; the id is free again.

        Succeeds when there is none.
        """
        ...


class TaskBackend(Protocol):
    """Commands that run once. A task never begins a second time: one whose end nobody saw has failed."""

    async def start(self, spec: TaskSpec, environment: Mapping[str, str]) -> None:
        """Run a command; returns once it is written down, before it has ended.

        Raises Conflict when another spec or environment has the id, or when the task is cancelled meanwhile;
        PreconditionFailed when the image is not there.
        """
        ...

    async def get(self, namespace: str, task_id: str, tail_lines: int) -> TaskState:
        """How far a task is, with the newest lines of its log. Raises NotFound."""
        ...

    async def names(self) -> list[TaskName]:
        """Every task of all namespaces that is not deleted, sorted by id. The answer is whole, as of deployments."""
        ...

    async def cancel(self, namespace: str, task_id: str) -> None:
        """Stop a command with every process that it started; returns when nothing of it runs.

        Succeeds when nothing did. A start that still looks for its image does not begin.
        """
        ...

    async def delete(self, namespace: str, task_id: str) -> None:
        """Cancel a task and forget it, except for its log. Succeeds when there is none."""
        ...


class LogBackend(Protocol):
    """What deployments and their tasks wrote, line by line. Logs stay when a deployment is deleted.

    The log of a task comes before those of the instances, and that of a build before both.
    """

    async def tail(self, namespace: str, deployment_id: str, instance_id: str, lines: int) -> list[LogLine]:
        """The newest lines of one instance, or of each when it is empty, at most 3 MiB of them.

        Raises NotFound when there is neither a deployment nor a log.
        """
        ...

    async def follow(self, query: LogQuery, send: Callable[[FollowedLine], Awaitable[None]]) -> None:
        """Send the lines asked for, as they are written, until no more can come. What nobody knows has none.

        A cursor names a line for as long as that line is kept, also for the next krane: a reader that comes back with
        one misses nothing and sees nothing twice. A line behind lost ones says so. Raises Unavailable when the stream
        is broken off.
        """
        ...

    def close(self) -> None:
        """Break off whatever is followed; krane is being stopped."""
        ...


class ImageBackend(Protocol):
    """Images, as the backend names them."""

    async def resolve(self, namespace: str, image: str, credential: HostCredential | None) -> str:
        """What an image means now, as a reference that stays. Raises PreconditionFailed when it cannot be run."""
        ...

    async def pull(self, namespace: str, image: str, credential: HostCredential | None) -> bool:
        """Whether an image is here; one that is not is being fetched from then on. Raises as `resolve`."""
        ...

    async def prune(self, keep: Iterable[str], unneeded_seconds: float) -> list[str]:
        """Remove sources and built images that were unneeded in all calls of the last `unneeded_seconds`.

        Needed is what is in `keep`, and what a deployment, a running task or a running build uses. Returns what was
        removed, sorted. A `keep` that names something else raises Invalid, and nothing is removed.
        """
        ...


class BuildBackend(Protocol):
    """Sources that become images. A backend may lack it."""

    async def store_source(self, chunks: AsyncIterable[bytes]) -> StoredSource:
        """Store a gzipped tar; the same one again is the same source. Raises Invalid when it is refused."""
        ...

    async def start(
        self,
        namespace: str,
        build_id: str,
        origin: str | GitSource,
        priority: BuildPriority,
        credentials: Sequence[HostCredential],
    ) -> None:
        """Begin a build of a stored source, or of a git source, which is fetched first.

        Credentials are kept until the build has ended. The same source again is the same image, without a build. A
        build that the death of krane interrupted begins anew. Raises Conflict when another source has the id,
        PreconditionFailed when the source is not here.
        """
        ...

    async def get(self, namespace: str, build_id: str, tail_lines: int) -> BuildState:
        """How far a build is, with the newest lines of its log. Raises NotFound."""
        ...

    async def cancel(self, namespace: str, build_id: str) -> None:
        """End a build; returns when nothing of it is left. Succeeds when nothing was there, or it has ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """An open backend, by capability."""

    deployments: DeploymentBackend
    tasks: TaskBackend
    logs: LogBackend
    images: ImageBackend
    # None: it runs images and makes none. krane refuses uploads and builds then.
    builds: BuildBackend | None = None


class BackendOpener(Protocol):
    """How a backend is opened, and cleared away, while no other krane works on its data directory."""

    def open(self) -> AbstractAsyncContextManager[Backend]:
        """Take over what an earlier krane left; on the way out leave everything running.

        Raises Unavailable when the backend is not there.
        """
        ...

    async def stop_all(self) -> None:
        """End everything that runs. What is wanted stays written down: the next krane starts it again."""
        ...

    async def remove_all(self) -> None:
        """End everything that runs, and remove what is kept outside of the data directory."""
        ...
