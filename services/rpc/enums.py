"""Converts proto enums to and from our enums by name, and to and from their words in JSON.

The name of a proto value is the enum's prefix and a word: DEPLOYMENT_STATUS_READY is "ready" in JSON, and
DeploymentStatus.READY in our enum.
"""

from enum import Enum
from typing import Any, Generic, TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from services.domain.errors import InterlockError

Ours = TypeVar("Ours", bound=Enum)


class WireEnum(Generic[Ours]):
    """One of our enums and its proto enum. Raises ValueError if the proto enum lacks a member."""

    def __init__(self, ours: type[Ours], wire: EnumTypeWrapper) -> None:
        self._name = wire.DESCRIPTOR.full_name
        self._names = {member: prefix_of(wire.DESCRIPTOR) + member.name for member in ours}
        self._members = {wire.Value(name): member for member, name in self._names.items()}

    def encode(self, member: Ours) -> str:
        """Return the name of the proto value, which a message field accepts."""
        return self._names[member]

    def decode(self, value: int, unknown: Ours | None = None) -> Ours:
        """Return our member for a proto value; for an unknown value, `unknown`, or raise InterlockError if None."""
        member = self._members.get(value, unknown)
        if member is None:
            raise InterlockError(f"{value} is not a known {self._name}: run the same version on both sides")
        return member


def prefix_of(enum: EnumDescriptor) -> str:
    """The prefix of an enum's value names, such as "DEPLOYMENT_STATUS_"."""
    return enum.values_by_number[0].name.removesuffix("UNSPECIFIED")


def words_of(enum: EnumDescriptor) -> list[str]:
    """The words of an enum, without UNSPECIFIED."""
    return [word_of(enum, value.name) for value in enum.values if value.number]


def word_of(enum: EnumDescriptor, name: str) -> str:
    """The word for a value's name; empty for UNSPECIFIED."""
    word = name.removeprefix(prefix_of(enum))
    return "" if word == "UNSPECIFIED" else word.lower()


def name_of(enum: EnumDescriptor, word: Any) -> Any:
    """The value's name for a word; anything else is returned unchanged."""
    if not isinstance(word, str) or word != word.lower():
        return word
    name = prefix_of(enum) + (word.upper() or "UNSPECIFIED")
    return name if name in enum.values_by_name else word
