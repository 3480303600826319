from services.gen.krane.v1 import image_pb2 as _image_pb2
from services.gen.krane.v1 import run_pb2 as _run_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DeploymentStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEPLOYMENT_STATUS_UNSPECIFIED: _ClassVar[DeploymentStatus]
    DEPLOYMENT_STATUS_PENDING: _ClassVar[DeploymentStatus]
    DEPLOYMENT_STATUS_RUNNING: _ClassVar[DeploymentStatus]
    DEPLOYMENT_STATUS_TERMINATING: _ClassVar[DeploymentStatus]
    DEPLOYMENT_STATUS_STOPPED: _ClassVar[DeploymentStatus]

class InstanceStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INSTANCE_STATUS_UNSPECIFIED: _ClassVar[InstanceStatus]
    INSTANCE_STATUS_PENDING: _ClassVar[InstanceStatus]
    INSTANCE_STATUS_RUNNING: _ClassVar[InstanceStatus]
    INSTANCE_STATUS_TERMINATING: _ClassVar[InstanceStatus]
    INSTANCE_STATUS_FAILED: _ClassVar[InstanceStatus]
    INSTANCE_STATUS_STOPPED: _ClassVar[InstanceStatus]
DEPLOYMENT_STATUS_UNSPECIFIED: DeploymentStatus
DEPLOYMENT_STATUS_PENDING: DeploymentStatus
DEPLOYMENT_STATUS_RUNNING: DeploymentStatus
DEPLOYMENT_STATUS_TERMINATING: DeploymentStatus
DEPLOYMENT_STATUS_STOPPED: DeploymentStatus
INSTANCE_STATUS_UNSPECIFIED: InstanceStatus
INSTANCE_STATUS_PENDING: InstanceStatus
INSTANCE_STATUS_RUNNING: InstanceStatus
INSTANCE_STATUS_TERMINATING: InstanceStatus
INSTANCE_STATUS_FAILED: InstanceStatus
INSTANCE_STATUS_STOPPED: InstanceStatus

class CreateDeploymentRequest(_message.Message):
    __slots__ = ("namespace", "deployment_id", "image", "environment", "registry_credential", "run", "volume_scope")
    class EnvironmentEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    VOLUME_SCOPE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    deployment_id: str
    image: str
    environment: _containers.ScalarMap[str, str]
    registry_credential: _image_pb2.RegistryCredential
    run: _run_pb2.RunSettings
    volume_scope: str
    def __init__(self, namespace: _Optional[str] = ..., deployment_id: _Optional[str] = ..., image: _Optional[str] = ..., environment: _Optional[_Mapping[str, str]] = ..., registry_credential: _Optional[_Union[_image_pb2.RegistryCredential, _Mapping]] = ..., run: _Optional[_Union[_run_pb2.RunSettings, _Mapping]] = ..., volume_scope: _Optional[str] = ...) -> None: ...

class CreateDeploymentResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: DeploymentStatus
    def __init__(self, status: _Optional[_Union[DeploymentStatus, str]] = ...) -> None: ...

class Instance(_message.Message):
    __slots__ = ("id", "address", "status", "healthy", "reason", "exit_code", "restarts", "last_probe", "crashes", "last_end", "last_end_ms", "unhealthy_since_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    LAST_PROBE_FIELD_NUMBER: _ClassVar[int]
    CRASHES_FIELD_NUMBER: _ClassVar[int]
    LAST_END_FIELD_NUMBER: _ClassVar[int]
    LAST_END_MS_FIELD_NUMBER: _ClassVar[int]
    UNHEALTHY_SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    address: str
    status: InstanceStatus
    healthy: bool
    reason: str
    exit_code: int
    restarts: int
    last_probe: Probe
    crashes: int
    last_end: str
    last_end_ms: int
    unhealthy_since_ms: int
    def __init__(self, id: _Optional[str] = ..., address: _Optional[str] = ..., status: _Optional[_Union[InstanceStatus, str]] = ..., healthy: _Optional[bool] = ..., reason: _Optional[str] = ..., exit_code: _Optional[int] = ..., restarts: _Optional[int] = ..., last_probe: _Optional[_Union[Probe, _Mapping]] = ..., crashes: _Optional[int] = ..., last_end: _Optional[str] = ..., last_end_ms: _Optional[int] = ..., unhealthy_since_ms: _Optional[int] = ...) -> None: ...

class Probe(_message.Message):
    __slots__ = ("problem", "status_code", "latency_ms", "body")
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    problem: str
    status_code: int
    latency_ms: int
    body: str
    def __init__(self, problem: _Optional[str] = ..., status_code: _Optional[int] = ..., latency_ms: _Optional[int] = ..., body: _Optional[str] = ...) -> None: ...

class GetDeploymentRequest(_message.Message):
    __slots__ = ("namespace", "deployment_id", "probe_now")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PROBE_NOW_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    deployment_id: str
    probe_now: bool
    def __init__(self, namespace: _Optional[str] = ..., deployment_id: _Optional[str] = ..., probe_now: _Optional[bool] = ...) -> None: ...

class GetDeploymentResponse(_message.Message):
    __slots__ = ("instances", "status", "replicas", "image", "namespace", "deployment_id")
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    instances: _containers.RepeatedCompositeFieldContainer[Instance]
    status: DeploymentStatus
    replicas: int
    image: str
    namespace: str
    deployment_id: str
    def __init__(self, instances: _Optional[_Iterable[_Union[Instance, _Mapping]]] = ..., status: _Optional[_Union[DeploymentStatus, str]] = ..., replicas: _Optional[int] = ..., image: _Optional[str] = ..., namespace: _Optional[str] = ..., deployment_id: _Optional[str] = ...) -> None: ...

class ListDeploymentsRequest(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    def __init__(self, namespace: _Optional[str] = ...) -> None: ...

class ListDeploymentsResponse(_message.Message):
    __slots__ = ("deployments",)
    DEPLOYMENTS_FIELD_NUMBER: _ClassVar[int]
    deployments: _containers.RepeatedCompositeFieldContainer[GetDeploymentResponse]
    def __init__(self, deployments: _Optional[_Iterable[_Union[GetDeploymentResponse, _Mapping]]] = ...) -> None: ...

class StopDeploymentRequest(_message.Message):
    __slots__ = ("namespace", "deployment_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    deployment_id: str
    def __init__(self, namespace: _Optional[str] = ..., deployment_id: _Optional[str] = ...) -> None: ...

class StopDeploymentResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StartDeploymentRequest(_message.Message):
    __slots__ = ("namespace", "deployment_id", "registry_credential")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    deployment_id: str
    registry_credential: _image_pb2.RegistryCredential
    def __init__(self, namespace: _Optional[str] = ..., deployment_id: _Optional[str] = ..., registry_credential: _Optional[_Union[_image_pb2.RegistryCredential, _Mapping]] = ...) -> None: ...

class StartDeploymentResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DeleteDeploymentRequest(_message.Message):
    __slots__ = ("namespace", "deployment_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    deployment_id: str
    def __init__(self, namespace: _Optional[str] = ..., deployment_id: _Optional[str] = ...) -> None: ...

class DeleteDeploymentResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetLogsRequest(_message.Message):
    __slots__ = ("namespace", "deployment_id", "instance_id", "tail_lines")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    TAIL_LINES_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    deployment_id: str
    instance_id: str
    tail_lines: int
    def __init__(self, namespace: _Optional[str] = ..., deployment_id: _Optional[str] = ..., instance_id: _Optional[str] = ..., tail_lines: _Optional[int] = ...) -> None: ...

class GetLogsResponse(_message.Message):
    __slots__ = ("lines",)
    LINES_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[LogLine]
    def __init__(self, lines: _Optional[_Iterable[_Union[LogLine, _Mapping]]] = ...) -> None: ...

class LogLine(_message.Message):
    __slots__ = ("instance_id", "text")
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    instance_id: str
    text: str
    def __init__(self, instance_id: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class FollowLogsRequest(_message.Message):
    __slots__ = ("namespace", "deployment_id", "build", "follow", "tail_lines", "since_ms", "after")
    class AfterEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    BUILD_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    TAIL_LINES_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    deployment_id: str
    build: bool
    follow: bool
    tail_lines: int
    since_ms: int
    after: _containers.ScalarMap[str, str]
    def __init__(self, namespace: _Optional[str] = ..., deployment_id: _Optional[str] = ..., build: _Optional[bool] = ..., follow: _Optional[bool] = ..., tail_lines: _Optional[int] = ..., since_ms: _Optional[int] = ..., after: _Optional[_Mapping[str, str]] = ...) -> None: ...

class FollowLogsResponse(_message.Message):
    __slots__ = ("instance_id", "text", "at_ms", "cursor", "is_after_gap")
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    IS_AFTER_GAP_FIELD_NUMBER: _ClassVar[int]
    instance_id: str
    text: str
    at_ms: int
    cursor: str
    is_after_gap: bool
    def __init__(self, instance_id: _Optional[str] = ..., text: _Optional[str] = ..., at_ms: _Optional[int] = ..., cursor: _Optional[str] = ..., is_after_gap: _Optional[bool] = ...) -> None: ...
