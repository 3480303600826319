"""Reads TOML and JSON files of users: nested tables, in which any value may be missing or have a wrong type."""

import json
import tomllib
from collections.abc import Mapping
from typing import cast

from services.domain.errors import Invalid

Table = Mapping[str, object]
EMPTY: Table = {}


def read_toml(text: str, name: str) -> Table:
    """Parse a TOML file. Raises Invalid, naming the file."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{name} cannot be read: {error}") from error


def read_json(text: str, name: str) -> Table:
    """Parse a JSON file whose value is an object; empty text is an empty object. Raises Invalid, naming the file."""
    try:
        content: object = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise Invalid(f"{name} cannot be read: {error}") from error
    if not isinstance(content, Mapping):
        raise Invalid(f"{name} cannot be read: its value is not an object")
    return cast(Table, content)


def table(content: object, *keys: str) -> Table:
    """The table at this path; empty if there is none."""
    for key in keys:
        content = cast(Table, content).get(key) if isinstance(content, Mapping) else None
    return cast(Table, content) if isinstance(content, Mapping) else EMPTY


def text(content: Table, key: str) -> str:
    """The string at this key; empty if there is none."""
    value = content.get(key)
    return value if isinstance(value, str) else ""


def texts(content: Table, key: str) -> list[str]:
    """The strings of the list at this key; empty if there is no list."""
    value = content.get(key)
    items = cast(list[object], value) if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str)]
