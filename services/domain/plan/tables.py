"""TOML and JSON of other people: nested tables, of which anything may be missing or of another kind."""

import json
import tomllib
from collections.abc import Mapping
from typing import cast

from services.domain.errors import Invalid

Table = Mapping[str, object]
EMPTY: Table = {}


def read_toml(text: str, name: str) -> Table:
    """The tables of a TOML file. Raises Invalid naming the file."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{name} cannot be read: {error}") from error


def read_json(text: str, name: str) -> Table:
    """The object of a JSON file. Raises Invalid naming the file."""
    try:
        content: object = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise Invalid(f"{name} cannot be read: {error}") from error
    if not isinstance(content, Mapping):
        raise Invalid(f"{name} cannot be read: it holds no object")
    return cast(Table, content)


def table(content: object, *keys: str) -> Table:
    """A table inside of others; an empty one where there is none."""
    for key in keys:
        content = cast(Table, content).get(key) if isinstance(content, Mapping) else None
    return cast(Table, content) if isinstance(content, Mapping) else EMPTY


def text(content: Table, key: str) -> str:
    """A text; empty when it is none."""
    value = content.get(key)
    return value if isinstance(value, str) else ""


def texts(content: Table, key: str) -> list[str]:
    """The texts of a list; empty when it is none."""
    value = content.get(key)
    items = cast(list[object], value) if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str)]
