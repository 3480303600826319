from services.gen.hydra.v1 import routing_pb2 as _routing_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class DeployRequest(_message.Message):
    __slots__ = ("deployment_id", "docker_image", "key_auth_id")
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DOCKER_IMAGE_FIELD_NUMBER: _ClassVar[int]
    KEY_AUTH_ID_FIELD_NUMBER: _ClassVar[int]
    deployment_id: str
    docker_image: str
    key_auth_id: str
    def __init__(self, deployment_id: _Optional[str] = ..., docker_image: _Optional[str] = ..., key_auth_id: _Optional[str] = ...) -> None: ...

class DeployResponse(_message.Message):
    __slots__ = ("deployment_id", "status", "domains", "is_live")
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    IS_LIVE_FIELD_NUMBER: _ClassVar[int]
    deployment_id: str
    status: str
    domains: _containers.RepeatedScalarFieldContainer[str]
    is_live: bool
    def __init__(self, deployment_id: _Optional[str] = ..., status: _Optional[str] = ..., domains: _Optional[_Iterable[str]] = ..., is_live: _Optional[bool] = ...) -> None: ...

class RollbackRequest(_message.Message):
    __slots__ = ("source_deployment_id", "target_deployment_id", "reason")
    SOURCE_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    source_deployment_id: str
    target_deployment_id: str
    reason: str
    def __init__(self, source_deployment_id: _Optional[str] = ..., target_deployment_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RollbackResponse(_message.Message):
    __slots__ = ("domains", "source_deployment_id", "target_deployment_id", "start")
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    domains: _containers.RepeatedScalarFieldContainer[str]
    source_deployment_id: str
    target_deployment_id: str
    start: str
    def __init__(self, domains: _Optional[_Iterable[str]] = ..., source_deployment_id: _Optional[str] = ..., target_deployment_id: _Optional[str] = ..., start: _Optional[str] = ...) -> None: ...

class PromoteRequest(_message.Message):
    __slots__ = ("target_deployment_id", "reason")
    TARGET_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    target_deployment_id: str
    reason: str
    def __init__(self, target_deployment_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class PromoteResponse(_message.Message):
    __slots__ = ("domains", "source_deployment_id", "target_deployment_id", "start")
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    domains: _containers.RepeatedScalarFieldContainer[str]
    source_deployment_id: str
    target_deployment_id: str
    start: str
    def __init__(self, domains: _Optional[_Iterable[str]] = ..., source_deployment_id: _Optional[str] = ..., target_deployment_id: _Optional[str] = ..., start: _Optional[str] = ...) -> None: ...

class RetireRequest(_message.Message):
    __slots__ = ("deployment_id",)
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    deployment_id: str
    def __init__(self, deployment_id: _Optional[str] = ...) -> None: ...

class RetireResponse(_message.Message):
    __slots__ = ("retired",)
    RETIRED_FIELD_NUMBER: _ClassVar[int]
    retired: bool
    def __init__(self, retired: _Optional[bool] = ...) -> None: ...
