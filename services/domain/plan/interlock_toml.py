"""The keys of interlock.toml that a plan uses. krane checks the whole file when it builds."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from services.domain.errors import Invalid
from services.domain.plan.files import SourceFiles
from services.domain.plan.tables import Table, read_toml, table

INTERLOCK_TOML = "interlock.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlSettings:
    """Values of interlock.toml; a key that is not set is empty."""

    command: tuple[str, ...] = ()
    release_command: tuple[str, ...] = ()
    build_command: tuple[str, ...] = ()
    static_folder: str = ""
    port: int = 0
    health_path: str = ""


def read_interlock_toml(files: SourceFiles) -> TomlSettings:
    """Read the keys that the plan uses. Raises Invalid, saying what to correct."""
    content = read_toml(files.text(INTERLOCK_TOML), INTERLOCK_TOML)
    return TomlSettings(
        command=_words(content, "start", "command"),
        release_command=_words(content, "release", "command"),
        build_command=_words(content, "build", "command"),
        static_folder=_text(content, "static", "folder"),
        port=_number(content, "start", "port"),
        health_path=_text(content, "health", "path"),
    )


def read_project(content: str) -> str:
    """Return `project` from the text of interlock.toml; empty if it is not set. Raises Invalid."""
    project = read_toml(content, INTERLOCK_TOML).get("project", "")
    if not isinstance(project, str):
        raise _invalid("project", "must be a string")
    return project


def _value(content: Table, section: str, key: str) -> object:
    if not isinstance(content.get(section, {}), Mapping):
        raise _invalid(section, f"must be a section: write [{section}]")
    return table(content, section).get(key)


def _words(content: Table, section: str, key: str) -> tuple[str, ...]:
    value = _value(content, section, key)
    if value is None:
        return ()
    place = f"{section}.{key}"
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise _invalid(place, f"cannot be split into words: {error}") from error
    if not isinstance(words, list) or not words:
        raise _invalid(place, "must be a command: a list of strings, or one string")
    checked = tuple(word for word in cast(list[object], words) if isinstance(word, str))
    if len(checked) != len(cast(list[object], words)):
        raise _invalid(place, "must be a list of strings only")
    return checked


def _text(content: Table, section: str, key: str) -> str:
    value = _value(content, section, key)
    if value is not None and not isinstance(value, str):
        raise _invalid(f"{section}.{key}", "must be a string")
    return value or ""


def _number(content: Table, section: str, key: str) -> int:
    value = _value(content, section, key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise _invalid(f"{section}.{key}", "must be a whole number")
    return value or 0


def _invalid(place: str, problem: str) -> Invalid:
    return Invalid(f"interlock.toml is not valid: {place} {problem}")
