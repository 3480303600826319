"""Payloads: protobuf at the handlers' doors (JSON and binary in, JSON in the journal), pydantic JSON for step results.

A decode error must not raise: the SDK would answer 500. `MessageSerde` returns Undecodable instead, and `expose` turns
that into a 400 before the handler runs.
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Generic, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from pydantic import TypeAdapter
from restate import ObjectContext, TerminalError, VirtualObject
from restate.serde import Serde

from services.domain.errors import InterlockError

T = TypeVar("T")
Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

# Requests are ids and short lists; anything larger is a mistake or an attack.
MAX_REQUEST_BYTES = 1024 * 1024
# How long Restate keeps a finished invocation and its journal for people to look at.
RETENTION = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Undecodable:
    """What a request that could not be decoded becomes."""

    message: str


class MessageSerde(Serde[Message]):
    """Writes proto3 JSON with the field names of the contract; reads that, camelCase names, and binary.

    The first byte tells which: `{` (0x7B) would be field 15 as a group in binary, which proto3 does not have.
    """

    def __init__(self, message_type: type[Message]) -> None:
        self.message_type = message_type

    def serialize(self, obj: Message | None) -> bytes:
        """Encode as JSON."""
        if obj is None:
            return b""
        return json_format.MessageToJson(obj, indent=None, preserving_proto_field_name=True).encode()

    def deserialize(self, buf: bytes) -> Message:
        """Decode JSON or binary; an Undecodable in the place of the message says why it could not."""
        name = self.message_type.DESCRIPTOR.full_name
        if len(buf) > MAX_REQUEST_BYTES:
            return cast(Message, Undecodable(f"{name} is larger than {MAX_REQUEST_BYTES} bytes"))
        data = bytes(buf)
        try:
            if data.lstrip()[:1] == b"{":
                return json_format.Parse(data, self.message_type())
            if data.lstrip()[:1] in (b"[", b'"'):
                return cast(Message, Undecodable(f"{name} must be a JSON object"))
            return self.message_type.FromString(data)
        except (json_format.ParseError, DecodeError, UnicodeDecodeError, RecursionError) as error:
            return cast(Message, Undecodable(f"not a valid {name}: {error}"))


class JsonSerde(Serde[T], Generic[T]):
    """Step results as JSON, by their declared type."""

    def __init__(self, adapter: TypeAdapter[T]) -> None:
        self.adapter = adapter

    def serialize(self, obj: T | None) -> bytes:
        """Encode as JSON."""
        return self.adapter.dump_json(cast(T, obj))

    def deserialize(self, buf: bytes) -> T:
        """Decode what `serialize` wrote."""
        return self.adapter.validate_json(bytes(buf))


def result_serde(function: Callable[..., Awaitable[T]]) -> JsonSerde[T]:
    """The serde for what `function` declares to return."""
    return cast(JsonSerde[T], _serde_of(inspect.unwrap(getattr(function, "__func__", function))))


@cache
def _serde_of(function: Callable[..., object]) -> JsonSerde[Any]:
    return JsonSerde(TypeAdapter(inspect.signature(function, eval_str=True).return_annotation))


Handler = Callable[[ObjectContext, Request], Awaitable[Response]]


def expose(
    service: VirtualObject,
    name: str,
    function: Handler[Request, Response],
    request_type: type[Request],
    response_type: type[Response],
) -> Callable[[ObjectContext, Request], Awaitable[Response]]:
    """Register `function` as an exclusive handler; returns the callable that other handlers call it by.

    A refusal of the domain becomes a terminal error with its status.
    """

    async def handler(ctx: ObjectContext, request: Message) -> Message:
        if isinstance(request, Undecodable):
            raise TerminalError(request.message, status_code=400)
        try:
            return await function(ctx, cast(Request, request))
        except InterlockError as error:
            if error.retryable:
                raise
            raise TerminalError(error.message, status_code=error.http_status) from error

    handler.__name__ = name
    handler.__doc__ = function.__doc__
    registered = service.handler(
        name,
        accept="*/*",
        content_type="application/json",
        input_serde=MessageSerde(request_type),
        output_serde=MessageSerde(response_type),
        journal_retention=RETENTION,
        idempotency_retention=RETENTION,
    )(handler)
    io = service.handlers[name].handler_io
    for side, message_type in ((io.input_type, request_type), (io.output_type, response_type)):
        if side is not None:
            side.generate_json_schema = _schema_of(message_type)
    return cast("Callable[[ObjectContext, Request], Awaitable[Response]]", registered)


def _schema_of(message_type: type[Message]) -> Callable[[], dict[str, Any]]:
    return lambda: json_schema(cast(Descriptor, message_type.DESCRIPTOR))


_INTEGERS_32 = frozenset(
    {
        FieldDescriptor.TYPE_INT32,
        FieldDescriptor.TYPE_UINT32,
        FieldDescriptor.TYPE_SINT32,
        FieldDescriptor.TYPE_FIXED32,
        FieldDescriptor.TYPE_SFIXED32,
    }
)
_SCALARS: dict[int, dict[str, Any]] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number"},
}


def json_schema(message: Descriptor) -> dict[str, Any]:
    """The JSON schema of a message's proto3 JSON form. The message must not contain itself."""
    properties = {field.name: _field_schema(field) for field in message.fields}
    return {"type": "object", "title": message.name, "properties": properties}


def _field_schema(field: FieldDescriptor) -> dict[str, Any]:
    if field.message_type is not None:
        schema = json_schema(field.message_type)
    elif field.enum_type is not None:
        schema = {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    elif field.type in _INTEGERS_32:
        schema = {"type": "integer"}
    else:
        # proto3 JSON writes 64-bit integers as strings, and reads both.
        schema = _SCALARS.get(field.type, {"type": ["string", "integer"]})
    return {"type": "array", "items": schema} if field.is_repeated else schema
