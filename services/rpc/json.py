"""Messages as JSON, as users see it: the contract's field names, every field, and short words for enums."""

import json
from collections.abc import Callable
from typing import Any, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from services.rpc.enums import name_of, word_of

Read = TypeVar("Read", bound=Message)
Convert = Callable[[EnumDescriptor, Any], Any]


def to_json(message: Message, *, indent: int | None = 2) -> str:
    """The message as JSON."""
    fields = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return json.dumps(_converted(fields, _descriptor(message), word_of), indent=indent)


def from_json(text: str, message: Read) -> Read:
    """Fill in a message from JSON; enums are words, names or numbers. Raises ParseError, saying what is wrong."""
    try:
        fields = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise json_format.ParseError(f"Failed to load JSON: {error}.") from error
    if not isinstance(fields, dict):
        raise json_format.ParseError("it is not a JSON object")
    return json_format.ParseDict(_converted(fields, _descriptor(message), name_of), message)


def _descriptor(message: Message) -> Descriptor:
    # The type stubs distinguish the descriptors of the C and the Python implementation.
    return cast(Descriptor, message.DESCRIPTOR)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"duplicate key {next(name for name in names if names.count(name) > 1)!r}")
    return fields


def _converted(value: Any, message: Descriptor, convert: Convert) -> Any:
    """Convert the enums in the JSON of a message; values that do not fit the message stay unchanged."""
    if not isinstance(value, dict):
        return value
    fields = {field.json_name: field for field in message.fields} | dict(message.fields_by_name)
    members = cast(dict[str, Any], value)
    return {
        name: _field(member, fields[name], convert) if name in fields else member for name, member in members.items()
    }


def _field(value: Any, field: FieldDescriptor, convert: Convert) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entry = field.message_type.fields_by_name["value"]
        if isinstance(value, dict):
            return {key: _field(one, entry, convert) for key, one in cast(dict[str, Any], value).items()}
    elif isinstance(value, list):
        return [_single(one, field, convert) for one in cast(list[Any], value)]
    return _single(value, field, convert)


def _single(value: Any, field: FieldDescriptor, convert: Convert) -> Any:
    if field.enum_type is not None:
        return convert(field.enum_type, value)
    return value if field.message_type is None else _converted(value, field.message_type, convert)
