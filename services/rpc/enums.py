"""Enums of the contracts: to and from ours by name, and the words that stand for them in JSON.

A value is named by its enum and a word: DEPLOYMENT_STATUS_READY is "ready", and DeploymentStatus.READY of ours.
"""

from enum import Enum
from typing import Any, Generic, TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from services.domain.errors import InterlockError

Ours = TypeVar("Ours", bound=Enum)


class WireEnum(Generic[Ours]):
    """One enum of ours and its counterpart in a contract; raises ValueError when that lacks a member."""

    def __init__(self, ours: type[Ours], wire: EnumTypeWrapper) -> None:
        self._name = wire.DESCRIPTOR.full_name
        self._names = {member: prefix_of(wire.DESCRIPTOR) + member.name for member in ours}
        self._members = {wire.Value(name): member for member, name in self._names.items()}

    def encode(self, member: Ours) -> str:
        """The value's name, which a message is made with."""
        return self._names[member]

    def decode(self, value: int, unknown: Ours | None = None) -> Ours:
        """From the wire; raises InterlockError for what this side does not know, unless `unknown` stands for it."""
        member = self._members.get(value, unknown)
        if member is None:
            raise InterlockError(f"{value} is not a known {self._name}: run the same version on both sides")
        return member


def prefix_of(enum: EnumDescriptor) -> str:
    """What the names of an enum's values begin with."""
    return enum.values_by_number[0].name.removesuffix("UNSPECIFIED")


def words_of(enum: EnumDescriptor) -> list[str]:
    """The words of an enum, other than that for what is not specified."""
    return [word_of(enum, value.name) for value in enum.values if value.number]


def word_of(enum: EnumDescriptor, name: str) -> str:
    """The word for a value's name; empty for what is not specified."""
    word = name.removeprefix(prefix_of(enum))
    return "" if word == "UNSPECIFIED" else word.lower()


def name_of(enum: EnumDescriptor, word: Any) -> Any:
    """The value's name for a word; what is no word of the enum is returned as it is."""
    if not isinstance(word, str) or word != word.lower():
        return word
    name = prefix_of(enum) + (word.upper() or "UNSPECIFIED")
    return name if name in enum.values_by_name else word
