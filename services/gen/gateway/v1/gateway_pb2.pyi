from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GatewayConfig(_message.Message):
    __slots__ = ("project_id", "deployment", "instances", "auth", "validation")
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    AUTH_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FIELD_NUMBER: _ClassVar[int]
    project_id: str
    deployment: Deployment
    instances: _containers.RepeatedCompositeFieldContainer[Instance]
    auth: AuthConfig
    validation: ValidationConfig
    def __init__(self, project_id: _Optional[str] = ..., deployment: _Optional[_Union[Deployment, _Mapping]] = ..., instances: _Optional[_Iterable[_Union[Instance, _Mapping]]] = ..., auth: _Optional[_Union[AuthConfig, _Mapping]] = ..., validation: _Optional[_Union[ValidationConfig, _Mapping]] = ...) -> None: ...

class Deployment(_message.Message):
    __slots__ = ("id", "is_enabled")
    ID_FIELD_NUMBER: _ClassVar[int]
    IS_ENABLED_FIELD_NUMBER: _ClassVar[int]
    id: str
    is_enabled: bool
    def __init__(self, id: _Optional[str] = ..., is_enabled: _Optional[bool] = ...) -> None: ...

class Instance(_message.Message):
    __slots__ = ("id", "address")
    ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    id: str
    address: str
    def __init__(self, id: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...

class AuthConfig(_message.Message):
    __slots__ = ("key_auth_id",)
    KEY_AUTH_ID_FIELD_NUMBER: _ClassVar[int]
    key_auth_id: str
    def __init__(self, key_auth_id: _Optional[str] = ...) -> None: ...

class ValidationConfig(_message.Message):
    __slots__ = ("openapi_spec", "openapi_digest")
    OPENAPI_SPEC_FIELD_NUMBER: _ClassVar[int]
    OPENAPI_DIGEST_FIELD_NUMBER: _ClassVar[int]
    openapi_spec: str
    openapi_digest: str
    def __init__(self, openapi_spec: _Optional[str] = ..., openapi_digest: _Optional[str] = ...) -> None: ...

class SyncRequest(_message.Message):
    __slots__ = ("revision", "wait_ms")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    wait_ms: int
    def __init__(self, revision: _Optional[int] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class SyncResponse(_message.Message):
    __slots__ = ("gateway_id", "acknowledged_revision", "rejection")
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_REVISION_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    gateway_id: str
    acknowledged_revision: int
    rejection: str
    def __init__(self, gateway_id: _Optional[str] = ..., acknowledged_revision: _Optional[int] = ..., rejection: _Optional[str] = ...) -> None: ...

class GetSnapshotRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetSnapshotResponse(_message.Message):
    __slots__ = ("gateway_id", "revision", "acknowledged_revision", "routes")
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_REVISION_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    gateway_id: str
    revision: int
    acknowledged_revision: int
    routes: _containers.RepeatedCompositeFieldContainer[Route]
    def __init__(self, gateway_id: _Optional[str] = ..., revision: _Optional[int] = ..., acknowledged_revision: _Optional[int] = ..., routes: _Optional[_Iterable[_Union[Route, _Mapping]]] = ...) -> None: ...

class Route(_message.Message):
    __slots__ = ("hostname", "deployment_id", "addresses", "protocol")
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    hostname: str
    deployment_id: str
    addresses: _containers.RepeatedScalarFieldContainer[str]
    protocol: str
    def __init__(self, hostname: _Optional[str] = ..., deployment_id: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ..., protocol: _Optional[str] = ...) -> None: ...
