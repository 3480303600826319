"""The gRPC services: decode, call the backend, encode."""

from collections.abc import AsyncIterator

from services.domain.errors import Invalid, PreconditionFailed
from services.domain.ids import check_id
from services.domain.settings import EffectiveSettings
from services.gen.krane.v1 import (
    build_pb2,
    build_pb2_grpc,
    deployment_pb2,
    deployment_pb2_grpc,
    image_pb2,
    image_pb2_grpc,
    task_pb2,
    task_pb2_grpc,
    volume_pb2,
    volume_pb2_grpc,
)
from services.krane.backend import Backend, BuildBackend, VolumeBackend
from services.krane.codec import (
    BUILD_PRIORITY,
    DEPLOYMENT_STATUS,
    decode_credential,
    decode_log_query,
    decode_origin,
    decode_spec,
    decode_task_spec,
    encode_build,
    encode_deployment,
    encode_followed_line,
    encode_task,
)
from services.krane.types import BuildPriority, FollowedLine
from services.rpc.serving import Context

MAX_TAIL_LINES = 10_000
DEFAULT_LOG_LINES = 100
DEFAULT_BUILD_LINES = 50
DEFAULT_TASK_LINES = 50
NO_VOLUMES = "the backend of this krane keeps no volumes: set INTERLOCK_KRANE__BACKEND to one that does"


class DeploymentServicer(deployment_pb2_grpc.DeploymentServiceServicer):
    """krane.v1.DeploymentService."""

    def __init__(self, backend: Backend) -> None:
        self._deployments = backend.deployments
        self._logs = backend.logs
        self._volumes = backend.volumes

    async def CreateDeployment(
        self, request: deployment_pb2.CreateDeploymentRequest, context: Context
    ) -> deployment_pb2.CreateDeploymentResponse:
        credential = decode_credential(request.registry_credential)
        spec = decode_spec(request)
        _check_volumes(spec.run, self._volumes)
        status = await self._deployments.create(spec, dict(request.environment), credential)
        return deployment_pb2.CreateDeploymentResponse(status=DEPLOYMENT_STATUS.encode(status))

    async def GetDeployment(
        self, request: deployment_pb2.GetDeploymentRequest, context: Context
    ) -> deployment_pb2.GetDeploymentResponse:
        state = await self._deployments.get(request.namespace, request.deployment_id, probe_now=request.probe_now)
        return encode_deployment(state)

    async def ListDeployments(
        self, request: deployment_pb2.ListDeploymentsRequest, context: Context
    ) -> deployment_pb2.ListDeploymentsResponse:
        namespace = request.namespace and check_id("namespace", request.namespace)
        states = await self._deployments.list(namespace)
        return deployment_pb2.ListDeploymentsResponse(deployments=map(encode_deployment, states))

    async def StopDeployment(
        self, request: deployment_pb2.StopDeploymentRequest, context: Context
    ) -> deployment_pb2.StopDeploymentResponse:
        await self._deployments.stop(request.namespace, request.deployment_id)
        return deployment_pb2.StopDeploymentResponse()

    async def StartDeployment(
        self, request: deployment_pb2.StartDeploymentRequest, context: Context
    ) -> deployment_pb2.StartDeploymentResponse:
        credential = decode_credential(request.registry_credential)
        await self._deployments.start(request.namespace, request.deployment_id, credential)
        return deployment_pb2.StartDeploymentResponse()

    async def DeleteDeployment(
        self, request: deployment_pb2.DeleteDeploymentRequest, context: Context
    ) -> deployment_pb2.DeleteDeploymentResponse:
        await self._deployments.delete(request.namespace, request.deployment_id)
        return deployment_pb2.DeleteDeploymentResponse()

    async def GetLogs(self, request: deployment_pb2.GetLogsRequest, context: Context) -> deployment_pb2.GetLogsResponse:
        count = _tail_lines(request.tail_lines, DEFAULT_LOG_LINES)
        lines = await self._logs.tail(request.namespace, request.deployment_id, request.instance_id, count)
        return deployment_pb2.GetLogsResponse(
            lines=[deployment_pb2.LogLine(instance_id=line.instance_id, text=line.text) for line in lines]
        )

    # The type stub allows generators only. Here several readers write lines at the same time.
    async def FollowLogs(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, request: deployment_pb2.FollowLogsRequest, context: Context
    ) -> None:
        async def send(line: FollowedLine) -> None:
            await context.write(encode_followed_line(line))

        await self._logs.follow(decode_log_query(request), send)


class ImageServicer(image_pb2_grpc.ImageServiceServicer):
    """krane.v1.ImageService."""

    def __init__(self, backend: Backend) -> None:
        self._images = backend.images

    async def ResolveImage(
        self, request: image_pb2.ResolveImageRequest, context: Context
    ) -> image_pb2.ResolveImageResponse:
        credential = decode_credential(request.registry_credential)
        image = await self._images.resolve(request.namespace, request.image, credential)
        return image_pb2.ResolveImageResponse(image=image)

    async def PullImage(self, request: image_pb2.PullImageRequest, context: Context) -> image_pb2.PullImageResponse:
        credential = decode_credential(request.registry_credential)
        is_here = await self._images.pull(request.namespace, request.image, credential)
        return image_pb2.PullImageResponse(is_here=is_here)


class BuildServicer(build_pb2_grpc.BuildServiceServicer):
    """krane.v1.BuildService."""

    def __init__(self, backend: Backend) -> None:
        self._capability = backend.builds
        self._images = backend.images

    @property
    def _builds(self) -> BuildBackend:
        if self._capability is None:
            raise PreconditionFailed(
                "the backend of this krane builds nothing: deploy an image, or set INTERLOCK_KRANE__BACKEND to one "
                "that builds"
            )
        return self._capability

    async def UploadSource(
        self, request_iterator: AsyncIterator[build_pb2.UploadSourceRequest], context: Context
    ) -> build_pb2.UploadSourceResponse:
        if self._capability is None:
            # gRPC logs a warning about a request stream that is never read.
            await anext(aiter(request_iterator), None)
        stored = await self._builds.store_source(request.chunk async for request in request_iterator)
        return build_pb2.UploadSourceResponse(source=stored.source, size_bytes=stored.size_bytes)

    async def StartBuild(self, request: build_pb2.StartBuildRequest, context: Context) -> build_pb2.StartBuildResponse:
        # A newer caller may send a priority that this krane does not know.
        priority = BUILD_PRIORITY.decode(request.priority, BuildPriority.NORMAL)
        credentials = [one for sent in request.registry_credentials if (one := decode_credential(sent))]
        await self._builds.start(request.namespace, request.build_id, decode_origin(request), priority, credentials)
        return build_pb2.StartBuildResponse()

    async def GetBuild(self, request: build_pb2.GetBuildRequest, context: Context) -> build_pb2.GetBuildResponse:
        count = _tail_lines(request.tail_lines, DEFAULT_BUILD_LINES)
        return encode_build(await self._builds.get(request.namespace, request.build_id, count))

    async def CancelBuild(
        self, request: build_pb2.CancelBuildRequest, context: Context
    ) -> build_pb2.CancelBuildResponse:
        await self._builds.cancel(request.namespace, request.build_id)
        return build_pb2.CancelBuildResponse()

    async def PruneImages(
        self, request: build_pb2.PruneImagesRequest, context: Context
    ) -> build_pb2.PruneImagesResponse:
        removed = await self._images.prune(request.keep, request.unneeded_ms / 1000)
        return build_pb2.PruneImagesResponse(removed=removed)


class TaskServicer(task_pb2_grpc.TaskServiceServicer):
    """krane.v1.TaskService."""

    def __init__(self, backend: Backend) -> None:
        self._tasks = backend.tasks
        self._volumes = backend.volumes

    async def StartTask(self, request: task_pb2.StartTaskRequest, context: Context) -> task_pb2.StartTaskResponse:
        spec = decode_task_spec(request)
        _check_volumes(spec.run, self._volumes)
        await self._tasks.start(spec, dict(request.environment))
        return task_pb2.StartTaskResponse()

    async def GetTask(self, request: task_pb2.GetTaskRequest, context: Context) -> task_pb2.GetTaskResponse:
        count = _tail_lines(request.tail_lines, DEFAULT_TASK_LINES)
        return encode_task(await self._tasks.get(request.namespace, request.task_id, count))

    async def ListTasks(self, request: task_pb2.ListTasksRequest, context: Context) -> task_pb2.ListTasksResponse:
        named = [(name.namespace, name.task_id) for name in await self._tasks.names()]
        return task_pb2.ListTasksResponse(
            tasks=[task_pb2.ListTasksResponse.Task(namespace=n, task_id=t) for n, t in named]
        )

    async def CancelTask(self, request: task_pb2.CancelTaskRequest, context: Context) -> task_pb2.CancelTaskResponse:
        await self._tasks.cancel(request.namespace, request.task_id)
        return task_pb2.CancelTaskResponse()

    async def DeleteTask(self, request: task_pb2.DeleteTaskRequest, context: Context) -> task_pb2.DeleteTaskResponse:
        await self._tasks.delete(request.namespace, request.task_id)
        return task_pb2.DeleteTaskResponse()


class VolumeServicer(volume_pb2_grpc.VolumeServiceServicer):
    """krane.v1.VolumeService."""

    def __init__(self, backend: Backend) -> None:
        self._volumes = backend.volumes

    async def ListVolumes(
        self, request: volume_pb2.ListVolumesRequest, context: Context
    ) -> volume_pb2.ListVolumesResponse:
        kept = await self._volumes.list(request.namespace) if self._volumes else []
        return volume_pb2.ListVolumesResponse(
            volumes=[volume_pb2.Volume(scope=one.scope, name=one.name, used_by=one.used_by) for one in kept]
        )

    async def DeleteVolume(
        self, request: volume_pb2.DeleteVolumeRequest, context: Context
    ) -> volume_pb2.DeleteVolumeResponse:
        if self._volumes is None:
            raise PreconditionFailed(NO_VOLUMES)
        await self._volumes.delete(request.namespace, request.scope, request.name)
        return volume_pb2.DeleteVolumeResponse()


def _check_volumes(run: EffectiveSettings, volumes: VolumeBackend | None) -> None:
    if run.volumes and volumes is None:
        raise PreconditionFailed(NO_VOLUMES)


def _tail_lines(asked: int, default: int) -> int:
    if asked > MAX_TAIL_LINES:
        raise Invalid(f"tail_lines is {asked}: use at most {MAX_TAIL_LINES}")
    return asked or default
