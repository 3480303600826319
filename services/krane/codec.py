"""Converts krane's types to and from proto messages. What is decoded is not checked, unless a docstring says so."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict

from services.domain.errors import (
    Invalid,
)
from services.domain.git import GitSource
from services.domain.images import check_host, check_login
from services.domain.readiness import InstanceStatus, Probe
from services.domain.settings import EffectiveSettings, RunSettings, only, resolve, settings_from
from services.gen.krane.v1 import build_pb2, deployment_pb2, image_pb2, run_pb2, task_pb2
from services.krane.types import (
    DEPLOYMENT_SETTINGS,
    RELEASE,
    TASK_SETTINGS,
    AppSettings,
    BuildPriority,
    BuildState,
    BuildStatus,
    DeploymentSpec,
    DeploymentState,
    FollowedLine,
    HostCredential,
    InstanceReport,
    LogQuery,
    TaskSpec,
    TaskState,
    TaskStatus,
    WorkloadStatus,
    digest_environment,
)
from services.rpc.enums import WireEnum

DEPLOYMENT_STATUS = WireEnum(WorkloadStatus, deployment_pb2.DeploymentStatus)
INSTANCE_STATUS = WireEnum(InstanceStatus, deployment_pb2.InstanceStatus)
BUILD_STATUS = WireEnum(BuildStatus, build_pb2.BuildStatus)
BUILD_PRIORITY = WireEnum(BuildPriority, build_pb2.BuildPriority)
TASK_STATUS = WireEnum(TaskStatus, task_pb2.TaskStatus)


def encode_spec(
    spec: DeploymentSpec, environment: Mapping[str, str], credential: HostCredential | None
) -> deployment_pb2.CreateDeploymentRequest:
    """Encode a spec as a create request."""
    return deployment_pb2.CreateDeploymentRequest(
        namespace=spec.namespace,
        deployment_id=spec.deployment_id,
        image=spec.image,
        run=encode_run(spec.run),
        volume_scope=spec.volume_scope,
        environment=environment,
        registry_credential=credential and encode_credential(credential),
    )


def decode_spec(request: deployment_pb2.CreateDeploymentRequest) -> DeploymentSpec:
    """Decode the spec of a create request."""
    return DeploymentSpec(
        namespace=request.namespace,
        deployment_id=request.deployment_id,
        image=request.image,
        run=only(resolve(decode_run(request.run)), DEPLOYMENT_SETTINGS),
        environment_digest=digest_environment(request.environment),
        volume_scope=request.volume_scope,
    )


def encode_run(run: RunSettings | EffectiveSettings) -> run_pb2.RunSettings:
    """Encode settings; the message has the same field names."""
    return run_pb2.RunSettings(**asdict(run))


def decode_run(message: run_pb2.RunSettings) -> RunSettings:
    """Decode settings; a field that is not set is None."""
    return settings_from({field.name: value for field, value in message.ListFields()})


def encode_credential(credential: HostCredential) -> image_pb2.RegistryCredential:
    """Encode a credential."""
    return image_pb2.RegistryCredential(
        registry=credential.host, username=credential.username, password=credential.password
    )


def decode_credential(credential: image_pb2.RegistryCredential) -> HostCredential | None:
    """Decode and check a credential; None for an empty message. Raises Invalid."""
    if not credential.ByteSize():
        return None
    check_login(credential.username, credential.password)
    return HostCredential(
        host=check_host(credential.registry), username=credential.username, password=credential.password
    )


def encode_deployment(state: DeploymentState) -> deployment_pb2.GetDeploymentResponse:
    """Encode the state of a deployment."""
    return deployment_pb2.GetDeploymentResponse(
        instances=[_encode_instance(instance) for instance in state.instances],
        status=DEPLOYMENT_STATUS.encode(state.status),
        replicas=state.replicas,
        image=state.image,
        namespace=state.namespace,
        deployment_id=state.deployment_id,
    )


def decode_deployment(response: deployment_pb2.GetDeploymentResponse) -> DeploymentState:
    """Decode the state of a deployment."""
    return DeploymentState(
        namespace=response.namespace,
        deployment_id=response.deployment_id,
        image=response.image,
        replicas=response.replicas,
        status=DEPLOYMENT_STATUS.decode(response.status),
        instances=tuple(_decode_instance(instance) for instance in response.instances),
    )


def _encode_instance(report: InstanceReport) -> deployment_pb2.Instance:
    return deployment_pb2.Instance(
        id=report.id,
        address=report.address,
        status=INSTANCE_STATUS.encode(report.status),
        healthy=report.healthy,
        reason=report.reason,
        exit_code=report.exit_code,
        restarts=report.restarts,
        crashes=report.crashes,
        last_end=report.last_end,
        last_end_ms=report.last_end_ms,
        unhealthy_since_ms=report.unhealthy_since_ms,
        last_probe=_encode_probe(report.last_probe) if report.last_probe else None,
    )


def _decode_instance(instance: deployment_pb2.Instance) -> InstanceReport:
    return InstanceReport(
        id=instance.id,
        address=instance.address,
        status=INSTANCE_STATUS.decode(instance.status),
        healthy=instance.healthy,
        reason=instance.reason,
        exit_code=instance.exit_code if instance.HasField("exit_code") else None,
        restarts=instance.restarts,
        crashes=instance.crashes,
        last_end=instance.last_end,
        last_end_ms=instance.last_end_ms,
        unhealthy_since_ms=instance.unhealthy_since_ms,
        last_probe=_decode_probe(instance.last_probe) if instance.HasField("last_probe") else None,
    )


def _encode_probe(probe: Probe) -> deployment_pb2.Probe:
    return deployment_pb2.Probe(
        problem=probe.problem, status_code=probe.status_code, latency_ms=probe.latency_ms, body=probe.body
    )


def _decode_probe(probe: deployment_pb2.Probe) -> Probe:
    return Probe(problem=probe.problem, status_code=probe.status_code, latency_ms=probe.latency_ms, body=probe.body)


def encode_log_query(query: LogQuery) -> deployment_pb2.FollowLogsRequest:
    """Encode a log query."""
    return deployment_pb2.FollowLogsRequest(
        namespace=query.namespace,
        deployment_id=query.deployment_id,
        build=query.build,
        follow=query.follow,
        tail_lines=query.tail_lines,
        since_ms=query.since_ms,
        after=query.after,
    )


def decode_log_query(request: deployment_pb2.FollowLogsRequest) -> LogQuery:
    """Decode a log query."""
    return LogQuery(
        namespace=request.namespace,
        deployment_id=request.deployment_id,
        build=request.build,
        follow=request.follow,
        tail_lines=request.tail_lines,
        since_ms=request.since_ms,
        after=dict(request.after),
    )


def encode_followed_line(line: FollowedLine) -> deployment_pb2.FollowLogsResponse:
    """Encode a line of a log."""
    return deployment_pb2.FollowLogsResponse(
        instance_id=line.instance_id,
        text=line.text,
        at_ms=line.at_ms,
        cursor=line.cursor,
        is_after_gap=line.is_after_gap,
    )


def decode_followed_line(response: deployment_pb2.FollowLogsResponse) -> FollowedLine:
    """Decode a line of a log."""
    return FollowedLine(
        instance_id=response.instance_id,
        text=response.text,
        at_ms=response.at_ms,
        cursor=response.cursor,
        is_after_gap=response.is_after_gap,
    )


def encode_build_request(
    namespace: str,
    build_id: str,
    origin: str | GitSource,
    priority: BuildPriority,
    credentials: Iterable[HostCredential],
) -> build_pb2.StartBuildRequest:
    """Encode a build request."""
    is_git = isinstance(origin, GitSource)
    return build_pb2.StartBuildRequest(
        namespace=namespace,
        build_id=build_id,
        priority=BUILD_PRIORITY.encode(priority),
        source="" if is_git else origin,
        git=build_pb2.GitSource(url=origin.url, ref=origin.ref) if is_git else None,
        registry_credentials=map(encode_credential, credentials),
    )


def decode_origin(request: build_pb2.StartBuildRequest) -> str | GitSource:
    """Decode the source of a build request. Raises Invalid if it names both a stored source and a git source."""
    if not request.HasField("git"):
        return request.source
    if request.source:
        raise Invalid("a build needs exactly one of source and git: leave one out")
    return GitSource(url=request.git.url, ref=request.git.ref)


def encode_build(state: BuildState) -> build_pb2.GetBuildResponse:
    """Encode the state of a build."""
    return build_pb2.GetBuildResponse(
        status=BUILD_STATUS.encode(state.status),
        image=state.image,
        error=state.error,
        log_lines=state.log_lines,
        cached=state.cached,
        source=state.source,
        commit=state.commit,
        branch=state.branch,
        settings=build_pb2.AppSettings(run=encode_run(state.settings.run), environment=state.settings.environment),
    )


def decode_build(response: build_pb2.GetBuildResponse) -> BuildState:
    """Decode the state of a build."""
    return BuildState(
        status=BUILD_STATUS.decode(response.status),
        image=response.image,
        error=response.error,
        log_lines=tuple(response.log_lines),
        cached=response.cached,
        source=response.source,
        commit=response.commit,
        branch=response.branch,
        settings=AppSettings(run=decode_run(response.settings.run), environment=dict(response.settings.environment)),
    )


def encode_task_spec(spec: TaskSpec, environment: Mapping[str, str]) -> task_pb2.StartTaskRequest:
    """Encode a task as a start request."""
    return task_pb2.StartTaskRequest(
        namespace=spec.namespace,
        task_id=spec.task_id,
        image=spec.image,
        run=encode_run(spec.run),
        volume_scope=spec.volume_scope,
        environment=environment,
        timeout_seconds=spec.timeout_seconds,
        name=spec.name,
    )


def decode_task_spec(request: task_pb2.StartTaskRequest) -> TaskSpec:
    """Decode the task of a start request."""
    return TaskSpec(
        namespace=request.namespace,
        task_id=request.task_id,
        image=request.image,
        run=only(resolve(decode_run(request.run)), TASK_SETTINGS),
        timeout_seconds=request.timeout_seconds,
        environment_digest=digest_environment(request.environment),
        volume_scope=request.volume_scope,
        name=request.name or RELEASE,
    )


def encode_task(state: TaskState) -> task_pb2.GetTaskResponse:
    """Encode the state of a task."""
    return task_pb2.GetTaskResponse(
        status=TASK_STATUS.encode(state.status),
        exit_code=state.exit_code,
        reason=state.reason,
        log_lines=state.log_lines,
    )


def decode_task(response: task_pb2.GetTaskResponse) -> TaskState:
    """Decode the state of a task."""
    return TaskState(
        status=TASK_STATUS.decode(response.status),
        exit_code=response.exit_code if response.HasField("exit_code") else None,
        reason=response.reason,
        log_lines=tuple(response.log_lines),
    )
