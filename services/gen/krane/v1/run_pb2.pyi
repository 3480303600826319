from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class RunSettings(_message.Message):
    __slots__ = ("replicas", "cpu_millicores", "memory_mib", "health_path", "port", "stop_seconds", "release_command", "ready_seconds", "command", "protocol", "volumes", "openapi_breaking")
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
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
    replicas: int
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
    def __init__(self, replicas: _Optional[int] = ..., cpu_millicores: _Optional[int] = ..., memory_mib: _Optional[int] = ..., health_path: _Optional[str] = ..., port: _Optional[int] = ..., stop_seconds: _Optional[int] = ..., release_command: _Optional[_Iterable[str]] = ..., ready_seconds: _Optional[int] = ..., command: _Optional[_Iterable[str]] = ..., protocol: _Optional[str] = ..., volumes: _Optional[_Iterable[str]] = ..., openapi_breaking: _Optional[str] = ...) -> None: ...
