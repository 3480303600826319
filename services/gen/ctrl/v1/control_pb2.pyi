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
    DEPLOYMENT_STATUS_BUILDING: _ClassVar[DeploymentStatus]
    DEPLOYMENT_STATUS_DEPLOYING: _ClassVar[DeploymentStatus]
    DEPLOYMENT_STATUS_NETWORK: _ClassVar[DeploymentStatus]
    DEPLOYMENT_STATUS_READY: _ClassVar[DeploymentStatus]
    DEPLOYMENT_STATUS_FAILED: _ClassVar[DeploymentStatus]
    DEPLOYMENT_STATUS_CANCELLED: _ClassVar[DeploymentStatus]
    DEPLOYMENT_STATUS_SUPERSEDED: _ClassVar[DeploymentStatus]
    DEPLOYMENT_STATUS_STOPPED: _ClassVar[DeploymentStatus]
    DEPLOYMENT_STATUS_REMOVED: _ClassVar[DeploymentStatus]

class Operation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OPERATION_UNSPECIFIED: _ClassVar[Operation]
    OPERATION_DEPLOY: _ClassVar[Operation]
    OPERATION_ROLLBACK: _ClassVar[Operation]
    OPERATION_PROMOTE: _ClassVar[Operation]
    OPERATION_SWITCH: _ClassVar[Operation]

class InstanceStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INSTANCE_STATUS_UNSPECIFIED: _ClassVar[InstanceStatus]
    INSTANCE_STATUS_PENDING: _ClassVar[InstanceStatus]
    INSTANCE_STATUS_RUNNING: _ClassVar[InstanceStatus]
    INSTANCE_STATUS_TERMINATING: _ClassVar[InstanceStatus]
    INSTANCE_STATUS_FAILED: _ClassVar[InstanceStatus]
    INSTANCE_STATUS_STOPPED: _ClassVar[InstanceStatus]

class Sticky(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STICKY_UNSPECIFIED: _ClassVar[Sticky]
    STICKY_COMMIT: _ClassVar[Sticky]
    STICKY_BRANCH: _ClassVar[Sticky]
    STICKY_ENVIRONMENT: _ClassVar[Sticky]
    STICKY_LIVE: _ClassVar[Sticky]

class Start(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    START_UNSPECIFIED: _ClassVar[Start]
    START_WARM: _ClassVar[Start]
    START_COLD: _ClassVar[Start]

class TransitionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSITION_KIND_UNSPECIFIED: _ClassVar[TransitionKind]
    TRANSITION_KIND_CREATED: _ClassVar[TransitionKind]
    TRANSITION_KIND_FAILED: _ClassVar[TransitionKind]
    TRANSITION_KIND_CANCELLED: _ClassVar[TransitionKind]
    TRANSITION_KIND_SUPERSEDED: _ClassVar[TransitionKind]
    TRANSITION_KIND_ASSIGN: _ClassVar[TransitionKind]
    TRANSITION_KIND_ROLLBACK: _ClassVar[TransitionKind]
    TRANSITION_KIND_PROMOTE: _ClassVar[TransitionKind]
    TRANSITION_KIND_SWITCH: _ClassVar[TransitionKind]
    TRANSITION_KIND_WITHDRAW: _ClassVar[TransitionKind]
DEPLOYMENT_STATUS_UNSPECIFIED: DeploymentStatus
DEPLOYMENT_STATUS_PENDING: DeploymentStatus
DEPLOYMENT_STATUS_BUILDING: DeploymentStatus
DEPLOYMENT_STATUS_DEPLOYING: DeploymentStatus
DEPLOYMENT_STATUS_NETWORK: DeploymentStatus
DEPLOYMENT_STATUS_READY: DeploymentStatus
DEPLOYMENT_STATUS_FAILED: DeploymentStatus
DEPLOYMENT_STATUS_CANCELLED: DeploymentStatus
DEPLOYMENT_STATUS_SUPERSEDED: DeploymentStatus
DEPLOYMENT_STATUS_STOPPED: DeploymentStatus
DEPLOYMENT_STATUS_REMOVED: DeploymentStatus
OPERATION_UNSPECIFIED: Operation
OPERATION_DEPLOY: Operation
OPERATION_ROLLBACK: Operation
OPERATION_PROMOTE: Operation
OPERATION_SWITCH: Operation
INSTANCE_STATUS_UNSPECIFIED: InstanceStatus
INSTANCE_STATUS_PENDING: InstanceStatus
INSTANCE_STATUS_RUNNING: InstanceStatus
INSTANCE_STATUS_TERMINATING: InstanceStatus
INSTANCE_STATUS_FAILED: InstanceStatus
INSTANCE_STATUS_STOPPED: InstanceStatus
STICKY_UNSPECIFIED: Sticky
STICKY_COMMIT: Sticky
STICKY_BRANCH: Sticky
STICKY_ENVIRONMENT: Sticky
STICKY_LIVE: Sticky
START_UNSPECIFIED: Start
START_WARM: Start
START_COLD: Start
TRANSITION_KIND_UNSPECIFIED: TransitionKind
TRANSITION_KIND_CREATED: TransitionKind
TRANSITION_KIND_FAILED: TransitionKind
TRANSITION_KIND_CANCELLED: TransitionKind
TRANSITION_KIND_SUPERSEDED: TransitionKind
TRANSITION_KIND_ASSIGN: TransitionKind
TRANSITION_KIND_ROLLBACK: TransitionKind
TRANSITION_KIND_PROMOTE: TransitionKind
TRANSITION_KIND_SWITCH: TransitionKind
TRANSITION_KIND_WITHDRAW: TransitionKind

class Project(_message.Message):
    __slots__ = ("id", "slug", "workspace", "environments", "live_deployment_id", "is_rolled_back")
    ID_FIELD_NUMBER: _ClassVar[int]
    SLUG_FIELD_NUMBER: _ClassVar[int]
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENTS_FIELD_NUMBER: _ClassVar[int]
    LIVE_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    IS_ROLLED_BACK_FIELD_NUMBER: _ClassVar[int]
    id: str
    slug: str
    workspace: str
    environments: _containers.RepeatedCompositeFieldContainer[Environment]
    live_deployment_id: str
    is_rolled_back: bool
    def __init__(self, id: _Optional[str] = ..., slug: _Optional[str] = ..., workspace: _Optional[str] = ..., environments: _Optional[_Iterable[_Union[Environment, _Mapping]]] = ..., live_deployment_id: _Optional[str] = ..., is_rolled_back: _Optional[bool] = ...) -> None: ...

class Environment(_message.Message):
    __slots__ = ("id", "slug", "is_production")
    ID_FIELD_NUMBER: _ClassVar[int]
    SLUG_FIELD_NUMBER: _ClassVar[int]
    IS_PRODUCTION_FIELD_NUMBER: _ClassVar[int]
    id: str
    slug: str
    is_production: bool
    def __init__(self, id: _Optional[str] = ..., slug: _Optional[str] = ..., is_production: _Optional[bool] = ...) -> None: ...

class CreateProjectRequest(_message.Message):
    __slots__ = ("slug", "workspace")
    SLUG_FIELD_NUMBER: _ClassVar[int]
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    slug: str
    workspace: str
    def __init__(self, slug: _Optional[str] = ..., workspace: _Optional[str] = ...) -> None: ...

class CreateProjectResponse(_message.Message):
    __slots__ = ("project",)
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    project: Project
    def __init__(self, project: _Optional[_Union[Project, _Mapping]] = ...) -> None: ...

class ListProjectsRequest(_message.Message):
    __slots__ = ("workspace",)
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    def __init__(self, workspace: _Optional[str] = ...) -> None: ...

class ListProjectsResponse(_message.Message):
    __slots__ = ("projects",)
    PROJECTS_FIELD_NUMBER: _ClassVar[int]
    projects: _containers.RepeatedCompositeFieldContainer[Project]
    def __init__(self, projects: _Optional[_Iterable[_Union[Project, _Mapping]]] = ...) -> None: ...

class GetProjectStatusRequest(_message.Message):
    __slots__ = ("workspace", "project")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ...) -> None: ...

class GetProjectStatusResponse(_message.Message):
    __slots__ = ("project", "environments", "routing_revision", "gateways", "previous_live_deployment_id", "troubles")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENTS_FIELD_NUMBER: _ClassVar[int]
    ROUTING_REVISION_FIELD_NUMBER: _ClassVar[int]
    GATEWAYS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_LIVE_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    TROUBLES_FIELD_NUMBER: _ClassVar[int]
    project: Project
    environments: _containers.RepeatedCompositeFieldContainer[EnvironmentStatus]
    routing_revision: int
    gateways: _containers.RepeatedCompositeFieldContainer[GatewayStatus]
    previous_live_deployment_id: str
    troubles: _containers.RepeatedCompositeFieldContainer[Attention]
    def __init__(self, project: _Optional[_Union[Project, _Mapping]] = ..., environments: _Optional[_Iterable[_Union[EnvironmentStatus, _Mapping]]] = ..., routing_revision: _Optional[int] = ..., gateways: _Optional[_Iterable[_Union[GatewayStatus, _Mapping]]] = ..., previous_live_deployment_id: _Optional[str] = ..., troubles: _Optional[_Iterable[_Union[Attention, _Mapping]]] = ...) -> None: ...

class EnvironmentStatus(_message.Message):
    __slots__ = ("environment", "latest", "domains")
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    LATEST_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    environment: Environment
    latest: Deployment
    domains: _containers.RepeatedCompositeFieldContainer[Domain]
    def __init__(self, environment: _Optional[_Union[Environment, _Mapping]] = ..., latest: _Optional[_Union[Deployment, _Mapping]] = ..., domains: _Optional[_Iterable[_Union[Domain, _Mapping]]] = ...) -> None: ...

class GatewayStatus(_message.Message):
    __slots__ = ("id", "acknowledged_revision")
    ID_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_REVISION_FIELD_NUMBER: _ClassVar[int]
    id: str
    acknowledged_revision: int
    def __init__(self, id: _Optional[str] = ..., acknowledged_revision: _Optional[int] = ...) -> None: ...

class UploadSourceRequest(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    def __init__(self, chunk: _Optional[bytes] = ...) -> None: ...

class UploadSourceResponse(_message.Message):
    __slots__ = ("source", "size_bytes")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    source: str
    size_bytes: int
    def __init__(self, source: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class CreateDeploymentRequest(_message.Message):
    __slots__ = ("workspace", "project", "environment", "source", "image", "branch", "commit", "message", "replicas", "cpu_millicores", "memory_mib", "health_path", "idempotency_key", "key_auth_id", "actor", "variables", "git", "port", "stop_seconds", "release_command", "ready_seconds", "command", "protocol", "volumes", "openapi_breaking", "no_release_command", "is_dirty")
    class VariablesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    CPU_MILLICORES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_MIB_FIELD_NUMBER: _ClassVar[int]
    HEALTH_PATH_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    KEY_AUTH_ID_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    GIT_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    STOP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RELEASE_COMMAND_FIELD_NUMBER: _ClassVar[int]
    READY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    OPENAPI_BREAKING_FIELD_NUMBER: _ClassVar[int]
    NO_RELEASE_COMMAND_FIELD_NUMBER: _ClassVar[int]
    IS_DIRTY_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    environment: str
    source: str
    image: str
    branch: str
    commit: str
    message: str
    replicas: int
    cpu_millicores: int
    memory_mib: int
    health_path: str
    idempotency_key: str
    key_auth_id: str
    actor: str
    variables: _containers.ScalarMap[str, str]
    git: GitSource
    port: int
    stop_seconds: int
    release_command: _containers.RepeatedScalarFieldContainer[str]
    ready_seconds: int
    command: _containers.RepeatedScalarFieldContainer[str]
    protocol: str
    volumes: _containers.RepeatedScalarFieldContainer[str]
    openapi_breaking: str
    no_release_command: bool
    is_dirty: bool
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ..., environment: _Optional[str] = ..., source: _Optional[str] = ..., image: _Optional[str] = ..., branch: _Optional[str] = ..., commit: _Optional[str] = ..., message: _Optional[str] = ..., replicas: _Optional[int] = ..., cpu_millicores: _Optional[int] = ..., memory_mib: _Optional[int] = ..., health_path: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., key_auth_id: _Optional[str] = ..., actor: _Optional[str] = ..., variables: _Optional[_Mapping[str, str]] = ..., git: _Optional[_Union[GitSource, _Mapping]] = ..., port: _Optional[int] = ..., stop_seconds: _Optional[int] = ..., release_command: _Optional[_Iterable[str]] = ..., ready_seconds: _Optional[int] = ..., command: _Optional[_Iterable[str]] = ..., protocol: _Optional[str] = ..., volumes: _Optional[_Iterable[str]] = ..., openapi_breaking: _Optional[str] = ..., no_release_command: _Optional[bool] = ..., is_dirty: _Optional[bool] = ...) -> None: ...

class GitSource(_message.Message):
    __slots__ = ("url", "ref")
    URL_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    url: str
    ref: str
    def __init__(self, url: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...

class CreateDeploymentResponse(_message.Message):
    __slots__ = ("deployment",)
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    deployment: Deployment
    def __init__(self, deployment: _Optional[_Union[Deployment, _Mapping]] = ...) -> None: ...

class RedeployRequest(_message.Message):
    __slots__ = ("workspace", "deployment_id", "message", "variables", "idempotency_key", "actor")
    class VariablesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    deployment_id: str
    message: str
    variables: _containers.ScalarMap[str, str]
    idempotency_key: str
    actor: str
    def __init__(self, workspace: _Optional[str] = ..., deployment_id: _Optional[str] = ..., message: _Optional[str] = ..., variables: _Optional[_Mapping[str, str]] = ..., idempotency_key: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class RedeployResponse(_message.Message):
    __slots__ = ("deployment",)
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    deployment: Deployment
    def __init__(self, deployment: _Optional[_Union[Deployment, _Mapping]] = ...) -> None: ...

class Deployment(_message.Message):
    __slots__ = ("id", "project_id", "project", "environment", "status", "is_live", "branch", "commit", "message", "source", "image", "replicas", "failure", "steps", "instances", "domains", "created_at_ms", "ended_at_ms", "invocation_id", "generation", "openapi_digest", "created_by", "variables", "secrets", "git", "cpu_millicores", "memory_mib", "health_path", "port", "stop_seconds", "release_command", "ready_seconds", "command", "protocol", "volumes", "openapi_breaking", "asked_image", "is_dirty", "warnings")
    class VariablesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    IS_LIVE_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    INVOCATION_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    OPENAPI_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    GIT_FIELD_NUMBER: _ClassVar[int]
    CPU_MILLICORES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_MIB_FIELD_NUMBER: _ClassVar[int]
    HEALTH_PATH_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    STOP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RELEASE_COMMAND_FIELD_NUMBER: _ClassVar[int]
    READY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    OPENAPI_BREAKING_FIELD_NUMBER: _ClassVar[int]
    ASKED_IMAGE_FIELD_NUMBER: _ClassVar[int]
    IS_DIRTY_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    id: str
    project_id: str
    project: str
    environment: str
    status: DeploymentStatus
    is_live: bool
    branch: str
    commit: str
    message: str
    source: str
    image: str
    replicas: int
    failure: Failure
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    instances: _containers.RepeatedCompositeFieldContainer[Instance]
    domains: _containers.RepeatedCompositeFieldContainer[Domain]
    created_at_ms: int
    ended_at_ms: int
    invocation_id: str
    generation: int
    openapi_digest: str
    created_by: str
    variables: _containers.ScalarMap[str, str]
    secrets: _containers.RepeatedCompositeFieldContainer[Secret]
    git: GitSource
    cpu_millicores: int
    memory_mib: int
    health_path: str
    port: int
    stop_seconds: int
    release_command: _containers.RepeatedScalarFieldContainer[str]
    ready_seconds: int
    command: _containers.RepeatedScalarFieldContainer[str]
    protocol: str
    volumes: _containers.RepeatedScalarFieldContainer[str]
    openapi_breaking: str
    asked_image: str
    is_dirty: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., project_id: _Optional[str] = ..., project: _Optional[str] = ..., environment: _Optional[str] = ..., status: _Optional[_Union[DeploymentStatus, str]] = ..., is_live: _Optional[bool] = ..., branch: _Optional[str] = ..., commit: _Optional[str] = ..., message: _Optional[str] = ..., source: _Optional[str] = ..., image: _Optional[str] = ..., replicas: _Optional[int] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., instances: _Optional[_Iterable[_Union[Instance, _Mapping]]] = ..., domains: _Optional[_Iterable[_Union[Domain, _Mapping]]] = ..., created_at_ms: _Optional[int] = ..., ended_at_ms: _Optional[int] = ..., invocation_id: _Optional[str] = ..., generation: _Optional[int] = ..., openapi_digest: _Optional[str] = ..., created_by: _Optional[str] = ..., variables: _Optional[_Mapping[str, str]] = ..., secrets: _Optional[_Iterable[_Union[Secret, _Mapping]]] = ..., git: _Optional[_Union[GitSource, _Mapping]] = ..., cpu_millicores: _Optional[int] = ..., memory_mib: _Optional[int] = ..., health_path: _Optional[str] = ..., port: _Optional[int] = ..., stop_seconds: _Optional[int] = ..., release_command: _Optional[_Iterable[str]] = ..., ready_seconds: _Optional[int] = ..., command: _Optional[_Iterable[str]] = ..., protocol: _Optional[str] = ..., volumes: _Optional[_Iterable[str]] = ..., openapi_breaking: _Optional[str] = ..., asked_image: _Optional[str] = ..., is_dirty: _Optional[bool] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("step", "reason", "log_lines", "last_probe")
    STEP_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LOG_LINES_FIELD_NUMBER: _ClassVar[int]
    LAST_PROBE_FIELD_NUMBER: _ClassVar[int]
    step: str
    reason: str
    log_lines: _containers.RepeatedScalarFieldContainer[str]
    last_probe: Probe
    def __init__(self, step: _Optional[str] = ..., reason: _Optional[str] = ..., log_lines: _Optional[_Iterable[str]] = ..., last_probe: _Optional[_Union[Probe, _Mapping]] = ...) -> None: ...

class Probe(_message.Message):
    __slots__ = ("instance_id", "problem", "status_code", "latency_ms", "body")
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    instance_id: str
    problem: str
    status_code: int
    latency_ms: int
    body: str
    def __init__(self, instance_id: _Optional[str] = ..., problem: _Optional[str] = ..., status_code: _Optional[int] = ..., latency_ms: _Optional[int] = ..., body: _Optional[str] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("name", "started_at_ms", "ended_at_ms", "error", "operation", "note")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    name: str
    started_at_ms: int
    ended_at_ms: int
    error: str
    operation: Operation
    note: str
    def __init__(self, name: _Optional[str] = ..., started_at_ms: _Optional[int] = ..., ended_at_ms: _Optional[int] = ..., error: _Optional[str] = ..., operation: _Optional[_Union[Operation, str]] = ..., note: _Optional[str] = ...) -> None: ...

class Instance(_message.Message):
    __slots__ = ("id", "address", "status", "healthy", "reason", "restarts", "last_end", "last_end_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    LAST_END_FIELD_NUMBER: _ClassVar[int]
    LAST_END_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    address: str
    status: InstanceStatus
    healthy: bool
    reason: str
    restarts: int
    last_end: str
    last_end_ms: int
    def __init__(self, id: _Optional[str] = ..., address: _Optional[str] = ..., status: _Optional[_Union[InstanceStatus, str]] = ..., healthy: _Optional[bool] = ..., reason: _Optional[str] = ..., restarts: _Optional[int] = ..., last_end: _Optional[str] = ..., last_end_ms: _Optional[int] = ...) -> None: ...

class Domain(_message.Message):
    __slots__ = ("id", "hostname", "sticky", "deployment_id", "environment", "url")
    ID_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    STICKY_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    id: str
    hostname: str
    sticky: Sticky
    deployment_id: str
    environment: str
    url: str
    def __init__(self, id: _Optional[str] = ..., hostname: _Optional[str] = ..., sticky: _Optional[_Union[Sticky, str]] = ..., deployment_id: _Optional[str] = ..., environment: _Optional[str] = ..., url: _Optional[str] = ...) -> None: ...

class GetDeploymentRequest(_message.Message):
    __slots__ = ("workspace", "deployment_id")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    deployment_id: str
    def __init__(self, workspace: _Optional[str] = ..., deployment_id: _Optional[str] = ...) -> None: ...

class GetDeploymentResponse(_message.Message):
    __slots__ = ("deployment",)
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    deployment: Deployment
    def __init__(self, deployment: _Optional[_Union[Deployment, _Mapping]] = ...) -> None: ...

class ListDeploymentsRequest(_message.Message):
    __slots__ = ("workspace", "project", "limit")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    limit: int
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListDeploymentsResponse(_message.Message):
    __slots__ = ("deployments",)
    DEPLOYMENTS_FIELD_NUMBER: _ClassVar[int]
    deployments: _containers.RepeatedCompositeFieldContainer[Deployment]
    def __init__(self, deployments: _Optional[_Iterable[_Union[Deployment, _Mapping]]] = ...) -> None: ...

class CancelDeploymentRequest(_message.Message):
    __slots__ = ("workspace", "deployment_id", "reason", "actor")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    deployment_id: str
    reason: str
    actor: str
    def __init__(self, workspace: _Optional[str] = ..., deployment_id: _Optional[str] = ..., reason: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class CancelDeploymentResponse(_message.Message):
    __slots__ = ("deployment", "cancelling")
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    CANCELLING_FIELD_NUMBER: _ClassVar[int]
    deployment: Deployment
    cancelling: bool
    def __init__(self, deployment: _Optional[_Union[Deployment, _Mapping]] = ..., cancelling: _Optional[bool] = ...) -> None: ...

class RollbackRequest(_message.Message):
    __slots__ = ("workspace", "project", "target_deployment_id", "idempotency_key", "dry_run", "no_preempt", "reason", "actor")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    TARGET_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    NO_PREEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    target_deployment_id: str
    idempotency_key: str
    dry_run: bool
    no_preempt: bool
    reason: str
    actor: str
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ..., target_deployment_id: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., dry_run: _Optional[bool] = ..., no_preempt: _Optional[bool] = ..., reason: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class RollbackResponse(_message.Message):
    __slots__ = ("source_deployment_id", "target_deployment_id", "domains", "preempted_deployment_ids", "start", "dry_run")
    SOURCE_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    PREEMPTED_DEPLOYMENT_IDS_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    source_deployment_id: str
    target_deployment_id: str
    domains: _containers.RepeatedScalarFieldContainer[str]
    preempted_deployment_ids: _containers.RepeatedScalarFieldContainer[str]
    start: Start
    dry_run: bool
    def __init__(self, source_deployment_id: _Optional[str] = ..., target_deployment_id: _Optional[str] = ..., domains: _Optional[_Iterable[str]] = ..., preempted_deployment_ids: _Optional[_Iterable[str]] = ..., start: _Optional[_Union[Start, str]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class PromoteRequest(_message.Message):
    __slots__ = ("workspace", "project", "target_deployment_id", "idempotency_key", "dry_run", "no_preempt", "reason", "actor")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    TARGET_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    NO_PREEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    target_deployment_id: str
    idempotency_key: str
    dry_run: bool
    no_preempt: bool
    reason: str
    actor: str
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ..., target_deployment_id: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., dry_run: _Optional[bool] = ..., no_preempt: _Optional[bool] = ..., reason: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class PromoteResponse(_message.Message):
    __slots__ = ("target_deployment_id", "domains", "preempted_deployment_ids", "source_deployment_id", "start", "dry_run")
    TARGET_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    PREEMPTED_DEPLOYMENT_IDS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    target_deployment_id: str
    domains: _containers.RepeatedScalarFieldContainer[str]
    preempted_deployment_ids: _containers.RepeatedScalarFieldContainer[str]
    source_deployment_id: str
    start: Start
    dry_run: bool
    def __init__(self, target_deployment_id: _Optional[str] = ..., domains: _Optional[_Iterable[str]] = ..., preempted_deployment_ids: _Optional[_Iterable[str]] = ..., source_deployment_id: _Optional[str] = ..., start: _Optional[_Union[Start, str]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class RunSettings(_message.Message):
    __slots__ = ("replicas", "cpu_millicores", "memory_mib", "health_path", "port", "stop_seconds", "release_command", "ready_seconds", "command", "no_release_command", "protocol", "volumes", "openapi_breaking")
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    CPU_MILLICORES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_MIB_FIELD_NUMBER: _ClassVar[int]
    HEALTH_PATH_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    STOP_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RELEASE_COMMAND_FIELD_NUMBER: _ClassVar[int]
    READY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    NO_RELEASE_COMMAND_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    OPENAPI_BREAKING_FIELD_NUMBER: _ClassVar[int]
    replicas: int
    cpu_millicores: int
    memory_mib: int
    health_path: str
    port: int
    stop_seconds: int
    release_command: _containers.RepeatedScalarFieldContainer[str]
    ready_seconds: int
    command: _containers.RepeatedScalarFieldContainer[str]
    no_release_command: bool
    protocol: str
    volumes: _containers.RepeatedScalarFieldContainer[str]
    openapi_breaking: str
    def __init__(self, replicas: _Optional[int] = ..., cpu_millicores: _Optional[int] = ..., memory_mib: _Optional[int] = ..., health_path: _Optional[str] = ..., port: _Optional[int] = ..., stop_seconds: _Optional[int] = ..., release_command: _Optional[_Iterable[str]] = ..., ready_seconds: _Optional[int] = ..., command: _Optional[_Iterable[str]] = ..., no_release_command: _Optional[bool] = ..., protocol: _Optional[str] = ..., volumes: _Optional[_Iterable[str]] = ..., openapi_breaking: _Optional[str] = ...) -> None: ...

class GetSettingsRequest(_message.Message):
    __slots__ = ("workspace", "project")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ...) -> None: ...

class GetSettingsResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: RunSettings
    def __init__(self, settings: _Optional[_Union[RunSettings, _Mapping]] = ...) -> None: ...

class SetSettingsRequest(_message.Message):
    __slots__ = ("workspace", "project", "settings")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    settings: RunSettings
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ..., settings: _Optional[_Union[RunSettings, _Mapping]] = ...) -> None: ...

class SetSettingsResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: RunSettings
    def __init__(self, settings: _Optional[_Union[RunSettings, _Mapping]] = ...) -> None: ...

class RemoveSettingsRequest(_message.Message):
    __slots__ = ("workspace", "project", "names")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...

class RemoveSettingsResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: RunSettings
    def __init__(self, settings: _Optional[_Union[RunSettings, _Mapping]] = ...) -> None: ...

class Variable(_message.Message):
    __slots__ = ("name", "value", "updated_by", "updated_at_ms")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    UPDATED_BY_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    updated_by: str
    updated_at_ms: int
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ..., updated_by: _Optional[str] = ..., updated_at_ms: _Optional[int] = ...) -> None: ...

class ListVariablesRequest(_message.Message):
    __slots__ = ("workspace", "project", "environment")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    environment: str
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ..., environment: _Optional[str] = ...) -> None: ...

class ListVariablesResponse(_message.Message):
    __slots__ = ("variables",)
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    variables: _containers.RepeatedCompositeFieldContainer[Variable]
    def __init__(self, variables: _Optional[_Iterable[_Union[Variable, _Mapping]]] = ...) -> None: ...

class SetVariablesRequest(_message.Message):
    __slots__ = ("workspace", "project", "environment", "variables", "actor")
    class VariablesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    environment: str
    variables: _containers.ScalarMap[str, str]
    actor: str
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ..., environment: _Optional[str] = ..., variables: _Optional[_Mapping[str, str]] = ..., actor: _Optional[str] = ...) -> None: ...

class SetVariablesResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RemoveVariablesRequest(_message.Message):
    __slots__ = ("workspace", "project", "environment", "names")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    environment: str
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ..., environment: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...

class RemoveVariablesResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Secret(_message.Message):
    __slots__ = ("name", "version", "updated_by", "updated_at_ms")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    UPDATED_BY_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    updated_by: str
    updated_at_ms: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., updated_by: _Optional[str] = ..., updated_at_ms: _Optional[int] = ...) -> None: ...

class ListSecretsRequest(_message.Message):
    __slots__ = ("workspace", "project", "environment")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    environment: str
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ..., environment: _Optional[str] = ...) -> None: ...

class ListSecretsResponse(_message.Message):
    __slots__ = ("secrets",)
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    secrets: _containers.RepeatedCompositeFieldContainer[Secret]
    def __init__(self, secrets: _Optional[_Iterable[_Union[Secret, _Mapping]]] = ...) -> None: ...

class SetSecretsRequest(_message.Message):
    __slots__ = ("workspace", "project", "environment", "secrets", "actor")
    class SecretsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    environment: str
    secrets: _containers.ScalarMap[str, str]
    actor: str
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ..., environment: _Optional[str] = ..., secrets: _Optional[_Mapping[str, str]] = ..., actor: _Optional[str] = ...) -> None: ...

class SetSecretsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RemoveSecretsRequest(_message.Message):
    __slots__ = ("workspace", "project", "environment", "names")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    environment: str
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ..., environment: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...

class RemoveSecretsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Volume(_message.Message):
    __slots__ = ("environment", "name", "used_by")
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    USED_BY_FIELD_NUMBER: _ClassVar[int]
    environment: str
    name: str
    used_by: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, environment: _Optional[str] = ..., name: _Optional[str] = ..., used_by: _Optional[_Iterable[str]] = ...) -> None: ...

class ListVolumesRequest(_message.Message):
    __slots__ = ("workspace", "project")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ...) -> None: ...

class ListVolumesResponse(_message.Message):
    __slots__ = ("volumes",)
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    volumes: _containers.RepeatedCompositeFieldContainer[Volume]
    def __init__(self, volumes: _Optional[_Iterable[_Union[Volume, _Mapping]]] = ...) -> None: ...

class RemoveVolumeRequest(_message.Message):
    __slots__ = ("workspace", "project", "environment", "name")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    environment: str
    name: str
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ..., environment: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class RemoveVolumeResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RegistryCredential(_message.Message):
    __slots__ = ("registry", "username", "version", "updated_by", "updated_at_ms")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    UPDATED_BY_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    registry: str
    username: str
    version: int
    updated_by: str
    updated_at_ms: int
    def __init__(self, registry: _Optional[str] = ..., username: _Optional[str] = ..., version: _Optional[int] = ..., updated_by: _Optional[str] = ..., updated_at_ms: _Optional[int] = ...) -> None: ...

class ListRegistryCredentialsRequest(_message.Message):
    __slots__ = ("workspace",)
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    def __init__(self, workspace: _Optional[str] = ...) -> None: ...

class ListRegistryCredentialsResponse(_message.Message):
    __slots__ = ("credentials",)
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    credentials: _containers.RepeatedCompositeFieldContainer[RegistryCredential]
    def __init__(self, credentials: _Optional[_Iterable[_Union[RegistryCredential, _Mapping]]] = ...) -> None: ...

class SetRegistryCredentialRequest(_message.Message):
    __slots__ = ("workspace", "registry", "username", "password", "actor")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    registry: str
    username: str
    password: str
    actor: str
    def __init__(self, workspace: _Optional[str] = ..., registry: _Optional[str] = ..., username: _Optional[str] = ..., password: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class SetRegistryCredentialResponse(_message.Message):
    __slots__ = ("credential",)
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    credential: RegistryCredential
    def __init__(self, credential: _Optional[_Union[RegistryCredential, _Mapping]] = ...) -> None: ...

class RemoveRegistryCredentialRequest(_message.Message):
    __slots__ = ("workspace", "registry")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    registry: str
    def __init__(self, workspace: _Optional[str] = ..., registry: _Optional[str] = ...) -> None: ...

class RemoveRegistryCredentialResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListDomainsRequest(_message.Message):
    __slots__ = ("workspace", "project")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ...) -> None: ...

class ListDomainsResponse(_message.Message):
    __slots__ = ("domains",)
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    domains: _containers.RepeatedCompositeFieldContainer[Domain]
    def __init__(self, domains: _Optional[_Iterable[_Union[Domain, _Mapping]]] = ...) -> None: ...

class ListTransitionsRequest(_message.Message):
    __slots__ = ("workspace", "project", "limit")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    project: str
    limit: int
    def __init__(self, workspace: _Optional[str] = ..., project: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListTransitionsResponse(_message.Message):
    __slots__ = ("transitions",)
    TRANSITIONS_FIELD_NUMBER: _ClassVar[int]
    transitions: _containers.RepeatedCompositeFieldContainer[Transition]
    def __init__(self, transitions: _Optional[_Iterable[_Union[Transition, _Mapping]]] = ...) -> None: ...

class Transition(_message.Message):
    __slots__ = ("at_ms", "what", "deployment_id", "live_before", "live_after", "note", "is_undone")
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    LIVE_BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIVE_AFTER_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    IS_UNDONE_FIELD_NUMBER: _ClassVar[int]
    at_ms: int
    what: TransitionKind
    deployment_id: str
    live_before: str
    live_after: str
    note: str
    is_undone: bool
    def __init__(self, at_ms: _Optional[int] = ..., what: _Optional[_Union[TransitionKind, str]] = ..., deployment_id: _Optional[str] = ..., live_before: _Optional[str] = ..., live_after: _Optional[str] = ..., note: _Optional[str] = ..., is_undone: _Optional[bool] = ...) -> None: ...

class GetLogsRequest(_message.Message):
    __slots__ = ("workspace", "deployment_id", "tail_lines", "build")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    TAIL_LINES_FIELD_NUMBER: _ClassVar[int]
    BUILD_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    deployment_id: str
    tail_lines: int
    build: bool
    def __init__(self, workspace: _Optional[str] = ..., deployment_id: _Optional[str] = ..., tail_lines: _Optional[int] = ..., build: _Optional[bool] = ...) -> None: ...

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
    __slots__ = ("workspace", "deployment_id", "build", "follow", "tail_lines", "since_ms", "after")
    class AfterEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    BUILD_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    TAIL_LINES_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    deployment_id: str
    build: bool
    follow: bool
    tail_lines: int
    since_ms: int
    after: _containers.ScalarMap[str, str]
    def __init__(self, workspace: _Optional[str] = ..., deployment_id: _Optional[str] = ..., build: _Optional[bool] = ..., follow: _Optional[bool] = ..., tail_lines: _Optional[int] = ..., since_ms: _Optional[int] = ..., after: _Optional[_Mapping[str, str]] = ...) -> None: ...

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

class RunCommandRequest(_message.Message):
    __slots__ = ("workspace", "deployment_id", "command", "timeout_seconds", "actor")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    deployment_id: str
    command: _containers.RepeatedScalarFieldContainer[str]
    timeout_seconds: int
    actor: str
    def __init__(self, workspace: _Optional[str] = ..., deployment_id: _Optional[str] = ..., command: _Optional[_Iterable[str]] = ..., timeout_seconds: _Optional[int] = ..., actor: _Optional[str] = ...) -> None: ...

class RunCommandResponse(_message.Message):
    __slots__ = ("text", "end")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    text: str
    end: RunEnd
    def __init__(self, text: _Optional[str] = ..., end: _Optional[_Union[RunEnd, _Mapping]] = ...) -> None: ...

class RunEnd(_message.Message):
    __slots__ = ("exit_code", "reason")
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    exit_code: int
    reason: str
    def __init__(self, exit_code: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class GetOpenapiRequest(_message.Message):
    __slots__ = ("workspace", "deployment_id")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    deployment_id: str
    def __init__(self, workspace: _Optional[str] = ..., deployment_id: _Optional[str] = ...) -> None: ...

class GetOpenapiResponse(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    def __init__(self, chunk: _Optional[bytes] = ...) -> None: ...

class ListAttentionRequest(_message.Message):
    __slots__ = ("workspace",)
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    def __init__(self, workspace: _Optional[str] = ...) -> None: ...

class ListAttentionResponse(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Attention]
    def __init__(self, items: _Optional[_Iterable[_Union[Attention, _Mapping]]] = ...) -> None: ...

class Attention(_message.Message):
    __slots__ = ("what", "why", "since_ms", "next", "project", "deployment_id", "invocation_id", "log_lines")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    INVOCATION_ID_FIELD_NUMBER: _ClassVar[int]
    LOG_LINES_FIELD_NUMBER: _ClassVar[int]
    what: str
    why: str
    since_ms: int
    next: str
    project: str
    deployment_id: str
    invocation_id: str
    log_lines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, what: _Optional[str] = ..., why: _Optional[str] = ..., since_ms: _Optional[int] = ..., next: _Optional[str] = ..., project: _Optional[str] = ..., deployment_id: _Optional[str] = ..., invocation_id: _Optional[str] = ..., log_lines: _Optional[_Iterable[str]] = ...) -> None: ...
