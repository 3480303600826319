from services.gen.gateway.v1 import gateway_pb2 as _gateway_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DomainSticky(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DOMAIN_STICKY_UNSPECIFIED: _ClassVar[DomainSticky]
    DOMAIN_STICKY_BRANCH: _ClassVar[DomainSticky]
    DOMAIN_STICKY_ENVIRONMENT: _ClassVar[DomainSticky]
    DOMAIN_STICKY_LIVE: _ClassVar[DomainSticky]

class SwitchReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SWITCH_REASON_UNSPECIFIED: _ClassVar[SwitchReason]
    SWITCH_REASON_ROLLBACK: _ClassVar[SwitchReason]
    SWITCH_REASON_PROMOTE: _ClassVar[SwitchReason]
DOMAIN_STICKY_UNSPECIFIED: DomainSticky
DOMAIN_STICKY_BRANCH: DomainSticky
DOMAIN_STICKY_ENVIRONMENT: DomainSticky
DOMAIN_STICKY_LIVE: DomainSticky
SWITCH_REASON_UNSPECIFIED: SwitchReason
SWITCH_REASON_ROLLBACK: SwitchReason
SWITCH_REASON_PROMOTE: SwitchReason

class DomainToAssign(_message.Message):
    __slots__ = ("name", "sticky")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STICKY_FIELD_NUMBER: _ClassVar[int]
    name: str
    sticky: DomainSticky
    def __init__(self, name: _Optional[str] = ..., sticky: _Optional[_Union[DomainSticky, str]] = ...) -> None: ...

class AssignDomainsRequest(_message.Message):
    __slots__ = ("workspace_id", "project_id", "environment_id", "deployment_id", "domains", "gateway_config", "is_rolled_back", "operation_id")
    WORKSPACE_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_CONFIG_FIELD_NUMBER: _ClassVar[int]
    IS_ROLLED_BACK_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    workspace_id: str
    project_id: str
    environment_id: str
    deployment_id: str
    domains: _containers.RepeatedCompositeFieldContainer[DomainToAssign]
    gateway_config: _gateway_pb2.GatewayConfig
    is_rolled_back: bool
    operation_id: str
    def __init__(self, workspace_id: _Optional[str] = ..., project_id: _Optional[str] = ..., environment_id: _Optional[str] = ..., deployment_id: _Optional[str] = ..., domains: _Optional[_Iterable[_Union[DomainToAssign, _Mapping]]] = ..., gateway_config: _Optional[_Union[_gateway_pb2.GatewayConfig, _Mapping]] = ..., is_rolled_back: _Optional[bool] = ..., operation_id: _Optional[str] = ...) -> None: ...

class AssignDomainsResponse(_message.Message):
    __slots__ = ("changed_domain_names", "held_domains", "is_live", "revision")
    CHANGED_DOMAIN_NAMES_FIELD_NUMBER: _ClassVar[int]
    HELD_DOMAINS_FIELD_NUMBER: _ClassVar[int]
    IS_LIVE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    changed_domain_names: _containers.RepeatedScalarFieldContainer[str]
    held_domains: _containers.RepeatedCompositeFieldContainer[HeldDomain]
    is_live: bool
    revision: int
    def __init__(self, changed_domain_names: _Optional[_Iterable[str]] = ..., held_domains: _Optional[_Iterable[_Union[HeldDomain, _Mapping]]] = ..., is_live: _Optional[bool] = ..., revision: _Optional[int] = ...) -> None: ...

class HeldDomain(_message.Message):
    __slots__ = ("name", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    reason: str
    def __init__(self, name: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class SwitchDomainsRequest(_message.Message):
    __slots__ = ("target_deployment_id", "domain_ids", "operation_id", "reason", "expected_live_deployment_id", "note", "expected_operation_id")
    TARGET_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_IDS_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_LIVE_DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    target_deployment_id: str
    domain_ids: _containers.RepeatedScalarFieldContainer[str]
    operation_id: str
    reason: SwitchReason
    expected_live_deployment_id: str
    note: str
    expected_operation_id: str
    def __init__(self, target_deployment_id: _Optional[str] = ..., domain_ids: _Optional[_Iterable[str]] = ..., operation_id: _Optional[str] = ..., reason: _Optional[_Union[SwitchReason, str]] = ..., expected_live_deployment_id: _Optional[str] = ..., note: _Optional[str] = ..., expected_operation_id: _Optional[str] = ...) -> None: ...

class SwitchDomainsResponse(_message.Message):
    __slots__ = ("changed_domain_names", "revision")
    CHANGED_DOMAIN_NAMES_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    changed_domain_names: _containers.RepeatedScalarFieldContainer[str]
    revision: int
    def __init__(self, changed_domain_names: _Optional[_Iterable[str]] = ..., revision: _Optional[int] = ...) -> None: ...

class RestoreDomainsRequest(_message.Message):
    __slots__ = ("operation_id",)
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    operation_id: str
    def __init__(self, operation_id: _Optional[str] = ...) -> None: ...

class RestoreDomainsResponse(_message.Message):
    __slots__ = ("restored_domain_names", "revision")
    RESTORED_DOMAIN_NAMES_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    restored_domain_names: _containers.RepeatedScalarFieldContainer[str]
    revision: int
    def __init__(self, restored_domain_names: _Optional[_Iterable[str]] = ..., revision: _Optional[int] = ...) -> None: ...
