"""Payloads: protobuf at the handlers' doors (JSON and binary, in and out), pydantic JSON for step results.

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

# Requests are ids and short lists; anything larger is a mistake or an attack.
MAX_REQUEST_BYTES = 1024 * 1024
# By these a caller says that it speaks binary protobuf.
BINARY_CONTENT_TYPES = ("application/protobuf", "application/x-protobuf", "application/octet-stream")
# How long Restate keeps a finished invocation and its journal for people to look at.
RETENTION = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Undecodable:
    """What a request that could not be decoded becomes."""

    message: str


@dataclass(frozen=True, slots=True)
class InBinary:
    """An answer to a caller who sent binary protobuf, and gets it."""

    message: Message


class MessageSerde(Serde[Message]):
    """Writes proto3 JSON with the field names of the contract, or binary; reads both, and camelCase names.

    Undecodable and InBinary stand in for messages where the SDK hands them on unseen.
    """

    def __init__(self, message_type: type[Message]) -> None:
        self.message_type = message_type

    def serialize(self, obj: Message | InBinary | None) -> bytes:
        """Encode as JSON, or as binary when that is asked for."""
        if obj is None:
            return b""
        if isinstance(obj, InBinary):
            return obj.message.SerializeToString()
        return json_format.MessageToJson(obj, indent=None, preserving_proto_field_name=True).encode()

    def deserialize(self, buf: bytes) -> Message:
        """Decode JSON or binary; an Undecodable in the place of the message says why it could not."""
        name = self.message_type.DESCRIPTOR.full_name
        if len(buf) > MAX_REQUEST_BYTES:
            return cast(Message, Undecodable(f"{name} is larger than {MAX_REQUEST_BYTES} bytes"))
        try:
            return read_message(self.message_type, bytes(buf))
        except ValueError as error:
            return cast(Message, Undecodable(str(error)))


def read_message(message_type: type[Read], data: bytes) -> Read:
    """Decode JSON or binary, whichever it is; raises ValueError with what is wrong.

    The first byte tells: `{` (0x7B) would be field 15 as a group in binary, which proto3 does not have. Behind white
    space it may also be the length of a string in field 1, whose tag is a line feed: what is no JSON then is read as
    binary.
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

    A refusal of the domain becomes a terminal error with its status. A caller who sent binary by its content type is
    answered in binary, everybody else in JSON; the header of the answer says JSON for both, since Restate fixes it when
    the handler is registered.
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
