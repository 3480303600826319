from services.gen.krane.v1 import image_pb2 as _image_pb2
from services.gen.krane.v1 import run_pb2 as _run_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BuildPriority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BUILD_PRIORITY_UNSPECIFIED: _ClassVar[BuildPriority]
    BUILD_PRIORITY_NORMAL: _ClassVar[BuildPriority]
    BUILD_PRIORITY_PRODUCTION: _ClassVar[BuildPriority]

class BuildStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BUILD_STATUS_UNSPECIFIED: _ClassVar[BuildStatus]
    BUILD_STATUS_RUNNING: _ClassVar[BuildStatus]
    BUILD_STATUS_SUCCEEDED: _ClassVar[BuildStatus]
    BUILD_STATUS_FAILED: _ClassVar[BuildStatus]
    BUILD_STATUS_CANCELLED: _ClassVar[BuildStatus]
BUILD_PRIORITY_UNSPECIFIED: BuildPriority
BUILD_PRIORITY_NORMAL: BuildPriority
BUILD_PRIORITY_PRODUCTION: BuildPriority
BUILD_STATUS_UNSPECIFIED: BuildStatus
BUILD_STATUS_RUNNING: BuildStatus
BUILD_STATUS_SUCCEEDED: BuildStatus
BUILD_STATUS_FAILED: BuildStatus
BUILD_STATUS_CANCELLED: BuildStatus

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

class GitSource(_message.Message):
    __slots__ = ("url", "ref")
    URL_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    url: str
    ref: str
    def __init__(self, url: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...

class StartBuildRequest(_message.Message):
    __slots__ = ("namespace", "build_id", "source", "priority", "git", "registry_credentials")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    BUILD_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    GIT_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    build_id: str
    source: str
    priority: BuildPriority
    git: GitSource
    registry_credentials: _containers.RepeatedCompositeFieldContainer[_image_pb2.RegistryCredential]
    def __init__(self, namespace: _Optional[str] = ..., build_id: _Optional[str] = ..., source: _Optional[str] = ..., priority: _Optional[_Union[BuildPriority, str]] = ..., git: _Optional[_Union[GitSource, _Mapping]] = ..., registry_credentials: _Optional[_Iterable[_Union[_image_pb2.RegistryCredential, _Mapping]]] = ...) -> None: ...

class StartBuildResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetBuildRequest(_message.Message):
    __slots__ = ("namespace", "build_id", "tail_lines")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    BUILD_ID_FIELD_NUMBER: _ClassVar[int]
    TAIL_LINES_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    build_id: str
    tail_lines: int
    def __init__(self, namespace: _Optional[str] = ..., build_id: _Optional[str] = ..., tail_lines: _Optional[int] = ...) -> None: ...

class GetBuildResponse(_message.Message):
    __slots__ = ("status", "image", "error", "log_lines", "cached", "source", "commit", "settings", "branch")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    LOG_LINES_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    status: BuildStatus
    image: str
    error: str
    log_lines: _containers.RepeatedScalarFieldContainer[str]
    cached: bool
    source: str
    commit: str
    settings: AppSettings
    branch: str
    def __init__(self, status: _Optional[_Union[BuildStatus, str]] = ..., image: _Optional[str] = ..., error: _Optional[str] = ..., log_lines: _Optional[_Iterable[str]] = ..., cached: _Optional[bool] = ..., source: _Optional[str] = ..., commit: _Optional[str] = ..., settings: _Optional[_Union[AppSettings, _Mapping]] = ..., branch: _Optional[str] = ...) -> None: ...

class AppSettings(_message.Message):
    __slots__ = ("environment", "run")
    class EnvironmentEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    environment: _containers.ScalarMap[str, str]
    run: _run_pb2.RunSettings
    def __init__(self, environment: _Optional[_Mapping[str, str]] = ..., run: _Optional[_Union[_run_pb2.RunSettings, _Mapping]] = ...) -> None: ...

class CancelBuildRequest(_message.Message):
    __slots__ = ("namespace", "build_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    BUILD_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    build_id: str
    def __init__(self, namespace: _Optional[str] = ..., build_id: _Optional[str] = ...) -> None: ...

class CancelBuildResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PruneImagesRequest(_message.Message):
    __slots__ = ("keep", "unneeded_ms")
    KEEP_FIELD_NUMBER: _ClassVar[int]
    UNNEEDED_MS_FIELD_NUMBER: _ClassVar[int]
    keep: _containers.RepeatedScalarFieldContainer[str]
    unneeded_ms: int
    def __init__(self, keep: _Optional[_Iterable[str]] = ..., unneeded_ms: _Optional[int] = ...) -> None: ...

class PruneImagesResponse(_message.Message):
    __slots__ = ("removed",)
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    removed: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, removed: _Optional[_Iterable[str]] = ...) -> None: ...
