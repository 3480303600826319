"""krane's client: takes and returns domain types, with a deadline on every call.

Raises krane's Invalid, NotFound, Conflict and PreconditionFailed, and Unavailable if krane does not answer in time.
Every call may be repeated.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeVar

import grpc.aio
from google.protobuf.message import Message

from services.domain.errors import NotFound, Unavailable
from services.domain.git import GitSource
from services.gen.krane.v1 import build_pb2, deployment_pb2, image_pb2, task_pb2, volume_pb2
from services.gen.krane.v1.build_pb2_grpc import BuildServiceStub
from services.gen.krane.v1.deployment_pb2_grpc import DeploymentServiceStub
from services.gen.krane.v1.image_pb2_grpc import ImageServiceStub
from services.gen.krane.v1.task_pb2_grpc import TaskServiceStub
from services.gen.krane.v1.volume_pb2_grpc import VolumeServiceStub
from services.krane.codec import (
    DEPLOYMENT_STATUS,
    decode_build,
    decode_deployment,
    decode_followed_line,
    decode_task,
    encode_build_request,
    encode_credential,
    encode_log_query,
    encode_spec,
    encode_task_spec,
)
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
from services.rpc.calling import call, follow, open_channel, statuses_as_errors

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

DEADLINE_SECONDS = 10.0
# Calls that wait for processes to end or for trees of files to be removed.
STOP_DEADLINE_SECONDS = 30.0
UPLOAD_DEADLINE_SECONDS = 300.0
CHUNK_BYTES = 1024 * 1024


class KraneClient:
    """A connection to krane; it is made on the first call and again after krane was restarted."""

    def __init__(self, address: str) -> None:
        self._channel = open_channel(address)
        self._deployments = DeploymentServiceStub(self._channel)
        self._builds = BuildServiceStub(self._channel)
        self._tasks = TaskServiceStub(self._channel)
        self._images = ImageServiceStub(self._channel)
        self._volumes = VolumeServiceStub(self._channel)

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def resolve_image(self, namespace: str, image: str, credential: HostCredential | None = None) -> str:
        """Pin an image: return a reference that does not move. Raises Unavailable also if its registry is down."""
        request = image_pb2.ResolveImageRequest(
            namespace=namespace, image=image, registry_credential=credential and encode_credential(credential)
        )
        return (await self._call(self._images.ResolveImage, request)).image

    async def pull_image(self, namespace: str, image: str, credential: HostCredential | None = None) -> bool:
        """Return whether an image is here; if not, krane pulls it in the background: ask again."""
        request = image_pb2.PullImageRequest(
            namespace=namespace, image=image, registry_credential=credential and encode_credential(credential)
        )
        return (await self._call(self._images.PullImage, request)).is_here

    async def create(
        self,
        spec: DeploymentSpec,
        environment: Mapping[str, str] | None = None,
        credential: HostCredential | None = None,
    ) -> WorkloadStatus:
        """Start the instances of a spec with these environment variables, if they are not started yet.

        The credential is for the registry of the image.
        """
        request = encode_spec(spec, environment or {}, credential)
        response = await self._call(self._deployments.CreateDeployment, request)
        return DEPLOYMENT_STATUS.decode(response.status)

    async def get(
        self,
        namespace: str,
        deployment_id: str,
        *,
        probe_now: bool = False,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> DeploymentState | None:
        """Return the state of a deployment; None if krane does not know it. `probe_now` probes its instances first."""
        request = deployment_pb2.GetDeploymentRequest(
            namespace=namespace, deployment_id=deployment_id, probe_now=probe_now
        )
        try:
            response = await self._call(self._deployments.GetDeployment, request, deadline_seconds)
        except NotFound:
            return None
        return decode_deployment(response)

    async def list(self, namespace: str = "") -> tuple[DeploymentState, ...]:
        """Return all deployments of a namespace (empty: of all namespaces), sorted by id."""
        request = deployment_pb2.ListDeploymentsRequest(namespace=namespace)
        response = await self._call(self._deployments.ListDeployments, request)
        return tuple(map(decode_deployment, response.deployments))

    async def stop(self, namespace: str, deployment_id: str) -> None:
        """Stop the instances so that they can be started again."""
        request = deployment_pb2.StopDeploymentRequest(namespace=namespace, deployment_id=deployment_id)
        await self._call(self._deployments.StopDeployment, request, STOP_DEADLINE_SECONDS)

    async def start(self, namespace: str, deployment_id: str, credential: HostCredential | None = None) -> None:
        """Start stopped and failed instances. The credential is for an image that has to be pulled again."""
        request = deployment_pb2.StartDeploymentRequest(
            namespace=namespace,
            deployment_id=deployment_id,
            registry_credential=credential and encode_credential(credential),
        )
        await self._call(self._deployments.StartDeployment, request)

    async def delete(self, namespace: str, deployment_id: str) -> None:
        """Stop the instances and delete the deployment; succeeds if it does not exist."""
        request = deployment_pb2.DeleteDeploymentRequest(namespace=namespace, deployment_id=deployment_id)
        await self._call(self._deployments.DeleteDeployment, request, STOP_DEADLINE_SECONDS)

    async def logs(
        self, namespace: str, deployment_id: str, *, instance_id: str = "", tail_lines: int = 0
    ) -> tuple[LogLine, ...]:
        """Return the newest lines of one instance (empty: all), also of a deleted deployment; 0: krane's default."""
        request = deployment_pb2.GetLogsRequest(
            namespace=namespace, deployment_id=deployment_id, instance_id=instance_id, tail_lines=tail_lines
        )
        response = await self._call(self._deployments.GetLogs, request)
        return tuple(LogLine(instance_id=line.instance_id, text=line.text) for line in response.lines)

    async def follow_logs(self, query: LogQuery) -> AsyncGenerator[FollowedLine]:
        """Yield the lines of a query as they are written, without a deadline, until no more can come.

        Raises Unavailable if the stream breaks: ask again with the cursors of the last lines. The caller closes the
        generator.
        """
        tried = "krane did not answer FollowLogs"
        async with aclosing(follow(self._deployments.FollowLogs, encode_log_query(query), tried=tried)) as responses:
            async for response in responses:
                yield decode_followed_line(response)

    async def upload_source(self, chunks: AsyncIterable[bytes]) -> StoredSource:
        """Store a gzipped tar, given in chunks of any size.

        The chunks can be read only once, so this waits until krane is reachable before it sends the first.
        """
        await self._reach()
        with statuses_as_errors("krane did not answer UploadSource"):
            response = await self._builds.UploadSource(_requests(chunks), timeout=UPLOAD_DEADLINE_SECONDS)
        return StoredSource(source=response.source, size_bytes=response.size_bytes)

    async def start_build(
        self,
        namespace: str,
        build_id: str,
        origin: str | GitSource,
        priority: BuildPriority = BuildPriority.NORMAL,
        credentials: Iterable[HostCredential] = (),
    ) -> None:
        """Start a build of an uploaded source or of a git source, if it has not been started yet.

        The credentials are for the git server, and the registries of its base images.
        """
        request = encode_build_request(namespace, build_id, origin, priority, credentials)
        await self._call(self._builds.StartBuild, request)

    async def get_build(self, namespace: str, build_id: str, *, tail_lines: int = 0) -> BuildState | None:
        """Return the state of a build; None if krane does not know it. 0 lines: krane's default."""
        request = build_pb2.GetBuildRequest(namespace=namespace, build_id=build_id, tail_lines=tail_lines)
        try:
            response = await self._call(self._builds.GetBuild, request)
        except NotFound:
            return None
        return decode_build(response)

    async def cancel_build(self, namespace: str, build_id: str) -> None:
        """Stop a build and every process that it started; succeeds if there is none."""
        request = build_pb2.CancelBuildRequest(namespace=namespace, build_id=build_id)
        await self._call(self._builds.CancelBuild, request, STOP_DEADLINE_SECONDS)

    async def prune_images(self, keep: Iterable[str], unneeded: timedelta) -> tuple[str, ...]:
        """Remove sources and images that were unused for `unneeded`; returns the removed ones, sorted."""
        request = build_pb2.PruneImagesRequest(keep=keep, unneeded_ms=int(unneeded.total_seconds() * 1000))
        response = await self._call(self._builds.PruneImages, request, STOP_DEADLINE_SECONDS)
        return tuple(response.removed)

    async def list_volumes(self, namespace: str) -> tuple[KeptVolume, ...]:
        """Return the volumes of a workspace, sorted by scope and name."""
        response = await self._call(self._volumes.ListVolumes, volume_pb2.ListVolumesRequest(namespace=namespace))
        return tuple(KeptVolume(scope=one.scope, name=one.name, used_by=tuple(one.used_by)) for one in response.volumes)

    async def delete_volume(self, namespace: str, scope: str, name: str) -> None:
        """Delete a volume; succeeds if it is gone. Raises PreconditionFailed while something that runs uses it."""
        request = volume_pb2.DeleteVolumeRequest(namespace=namespace, scope=scope, name=name)
        await self._call(self._volumes.DeleteVolume, request, STOP_DEADLINE_SECONDS)

    async def start_task(self, spec: TaskSpec, environment: Mapping[str, str] | None = None) -> None:
        """Start a command with these environment variables, if it has not been started yet."""
        await self._call(self._tasks.StartTask, encode_task_spec(spec, environment or {}))

    async def get_task(self, namespace: str, task_id: str, *, tail_lines: int = 0) -> TaskState | None:
        """Return the state of a task; None if krane does not know it. 0 lines: krane's default."""
        request = task_pb2.GetTaskRequest(namespace=namespace, task_id=task_id, tail_lines=tail_lines)
        try:
            response = await self._call(self._tasks.GetTask, request)
        except NotFound:
            return None
        return decode_task(response)

    async def list_tasks(self) -> tuple[TaskName, ...]:
        """Return the names of all tasks, also of ended ones."""
        response = await self._call(self._tasks.ListTasks, task_pb2.ListTasksRequest())
        return tuple(TaskName(namespace=task.namespace, task_id=task.task_id) for task in response.tasks)

    async def cancel_task(self, namespace: str, task_id: str) -> None:
        """Stop a command and every process that it started; succeeds if nothing runs."""
        request = task_pb2.CancelTaskRequest(namespace=namespace, task_id=task_id)
        await self._call(self._tasks.CancelTask, request, STOP_DEADLINE_SECONDS)

    async def delete_task(self, namespace: str, task_id: str) -> None:
        """Stop a command and delete the task, except for its log; succeeds if it does not exist."""
        request = task_pb2.DeleteTaskRequest(namespace=namespace, task_id=task_id)
        await self._call(self._tasks.DeleteTask, request, STOP_DEADLINE_SECONDS)

    async def _reach(self) -> None:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await self._channel.channel_ready()
        except TimeoutError as error:
            raise Unavailable(f"krane was not reached within {DEADLINE_SECONDS:g} s; is it running?") from error

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> Response:
        tried = f"krane did not answer {type(request).__name__.removesuffix('Request')}"
        return await call(method, request, timeout=timedelta(seconds=deadline_seconds), tried=tried)


async def _requests(chunks: AsyncIterable[bytes]) -> AsyncIterator[build_pb2.UploadSourceRequest]:
    async for chunk in chunks:
        for start in range(0, len(chunk), CHUNK_BYTES):
            yield build_pb2.UploadSourceRequest(chunk=chunk[start : start + CHUNK_BYTES])
