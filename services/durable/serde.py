"""Payloads: protobuf for requests and answers of handlers (JSON or binary), pydantic JSON for step results.

A decode error must not raise, because the SDK would answer 500. `MessageSerde` returns Undecodable instead, and
`expose` turns it into a 400 before the handler runs.
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Generic, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from pydantic import TypeAdapter
from restate import ObjectContext, VirtualObject
from restate.serde import Serde

from services.domain.errors import Invalid
from services.durable.refusals import refusals_are_terminal, terminal

T = TypeVar("T")
Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Read = TypeVar("Read", bound=Message)

# Requests hold ids and short lists; anything larger is a mistake or an attack.
MAX_REQUEST_BYTES = 1024 * 1024
# Content types of callers that send binary protobuf.
BINARY_CONTENT_TYPES = ("application/protobuf", "application/x-protobuf", "application/octet-stream")
# How long Restate keeps a finished invocation and its journal, for inspection.
RETENTION = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Stands for a request that could not be decoded."""

    message: str


@dataclass(frozen=True, slots=True)
class InBinary:
    """An answer to encode as binary protobuf, like its request."""

    message: Message


class MessageSerde(Serde[Message]):
    """Writes proto3 JSON with the field names of the contract, or binary; reads both, and camelCase names.

    The SDK passes values on without looking at them, so Undecodable and InBinary can stand for messages.
    """

    def __init__(self, message_type: type[Message]) -> None:
        self.message_type = message_type

    def serialize(self, obj: Message | InBinary | None) -> bytes:
        """Encode as JSON, or an InBinary as binary."""
        if obj is None:
            return b""
        if isinstance(obj, InBinary):
            return obj.message.SerializeToString()
        return json_format.MessageToJson(obj, indent=None, preserving_proto_field_name=True).encode()

    def deserialize(self, buf: bytes) -> Message:
        """Decode JSON or binary; returns an Undecodable with the reason if that fails."""
        name = self.message_type.DESCRIPTOR.full_name
        if len(buf) > MAX_REQUEST_BYTES:
            return cast(Message, Undecodable(f"{name} is larger than {MAX_REQUEST_BYTES} bytes"))
        try:
            return read_message(self.message_type, bytes(buf))
        except ValueError as error:
            return cast(Message, Undecodable(str(error)))


def read_message(message_type: type[Read], data: bytes) -> Read:
    """Decode JSON or binary; raises ValueError with the reason.

    The first byte tells which it is: in binary, `{` (0x7B) would be field 15 as a group, and proto3 has no groups.
    After white space it is ambiguous: a line feed is also the tag of field 1, and `{` could be the length of its
    string. Then data that is not valid JSON is read as binary.
    """
    name = message_type.DESCRIPTOR.full_name
    try:
        if data.lstrip()[:1] == b"{":
            try:
                return json_format.Parse(data, message_type())
            except (json_format.ParseError, UnicodeDecodeError):
                if data[:1] == b"{":
                    raise
        elif data[:1] == b"[":
            raise ValueError(f"{name} must be a JSON object")
        return message_type.FromString(data)
    except (json_format.ParseError, DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a valid {name}: {error}") from error


class JsonSerde(Serde[T], Generic[T]):
    """Encodes step results as JSON, by their declared type."""

    def __init__(self, adapter: TypeAdapter[T]) -> None:
        self.adapter = adapter

    def serialize(self, obj: T | None) -> bytes:
        """Encode as JSON."""
        return self.adapter.dump_json(cast(T, obj))

    def deserialize(self, buf: bytes) -> T:
        """Decode what `serialize` wrote."""
        return self.adapter.validate_json(bytes(buf))


def result_serde(function: Callable[..., Awaitable[T]]) -> JsonSerde[T]:
    """Return the serde for the declared return type of `function`."""
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
    """Register `function` as an exclusive handler; returns the callable that other handlers use to call it.

    A refusal of the domain becomes a terminal error with its status. The answer is binary if the request's content type
    was binary, else JSON. Its content-type header always says JSON, because Restate fixes it at registration.
    """

    async def handler(ctx: ObjectContext, request: Message) -> Message:
        if isinstance(request, Undecodable):
            raise terminal(Invalid(request.message))
        content_type = ctx.request().headers.get("content-type", "").partition(";")[0].strip().lower()
        with refusals_are_terminal():
            response = await function(ctx, cast(Request, request))
        return cast(Message, InBinary(response)) if content_type in BINARY_CONTENT_TYPES else response

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


def _names_of(enum: EnumDescriptor) -> list[str]:
    return [value.name for value in enum.values]


def json_schema(message: Descriptor, values_of: Callable[[EnumDescriptor], list[str]] = _names_of) -> dict[str, Any]:
    """The JSON schema of a message's proto3 JSON form. The message must not contain itself.

    `values_of` says what stands for an enum's values, where that is not their names.
    """
    properties = {field.name: _field_schema(field, values_of) for field in message.fields}
    return {"type": "object", "title": message.name, "properties": properties}


def _field_schema(field: FieldDescriptor, values_of: Callable[[EnumDescriptor], list[str]]) -> dict[str, Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        return {"type": "object", "additionalProperties": _field_schema(value, values_of)}
    if field.message_type is not None:
        schema = json_schema(field.message_type, values_of)
    elif field.enum_type is not None:
        schema = {"type": "string", "enum": values_of(field.enum_type)}
    elif field.type in _INTEGERS_32:
        schema = {"type": "integer"}
    else:
        # proto3 JSON writes 64-bit integers as strings, and reads both.
        schema = _SCALARS.get(field.type, {"type": ["string", "integer"]})
    return {"type": "array", "items": schema} if field.is_repeated else schema
