from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RegistryCredential(_message.Message):
    __slots__ = ("registry", "username", "password")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    registry: str
    username: str
    password: str
    def __init__(self, registry: _Optional[str] = ..., username: _Optional[str] = ..., password: _Optional[str] = ...) -> None: ...

class ResolveImageRequest(_message.Message):
    __slots__ = ("namespace", "image", "registry_credential")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    image: str
    registry_credential: RegistryCredential
    def __init__(self, namespace: _Optional[str] = ..., image: _Optional[str] = ..., registry_credential: _Optional[_Union[RegistryCredential, _Mapping]] = ...) -> None: ...

class ResolveImageResponse(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: str
    def __init__(self, image: _Optional[str] = ...) -> None: ...

class PullImageRequest(_message.Message):
    __slots__ = ("namespace", "image", "registry_credential")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    image: str
    registry_credential: RegistryCredential
    def __init__(self, namespace: _Optional[str] = ..., image: _Optional[str] = ..., registry_credential: _Optional[_Union[RegistryCredential, _Mapping]] = ...) -> None: ...

class PullImageResponse(_message.Message):
    __slots__ = ("is_here",)
    IS_HERE_FIELD_NUMBER: _ClassVar[int]
    is_here: bool
    def __init__(self, is_here: _Optional[bool] = ...) -> None: ...
