"""What an app says of itself: `interlock.toml`, and the `web:` line of a Procfile. No shell is involved."""

import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from services.domain.errors import Invalid
from services.krane.checks import check_health_path

FILES = ("interlock.toml", "Procfile")


def _words(value: object) -> object:
    return shlex.split(value) if isinstance(value, str) else value


def _health_path(value: str) -> str:
    try:
        return check_health_path(value)
    except Invalid as error:
        raise ValueError(error.message) from error


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StartSection(_Section):
    """[start]"""

    # A list of arguments, or one string that is split as a shell would.
    command: Annotated[tuple[str, ...], BeforeValidator(_words), Field(min_length=1)]


class HealthSection(_Section):
    """[health]"""

    # Answered 2xx when the app is healthy.
    path: Annotated[str, AfterValidator(_health_path)]


class InterlockToml(_Section):
    """The whole file."""

    start: StartSection | None = None
    health: HealthSection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppConfig:
    """What an app's files say about the app."""

    # "$PORT" and "${PORT}" stand for the port to listen on. Empty: they do not say it.
    command: tuple[str, ...]
    # Empty: health is a TCP connect.
    health_path: str


def parse_app_config(files: Mapping[str, bytes]) -> AppConfig:
    """Read those of `FILES` that there are, by name. Raises Invalid saying what to correct."""
    config = _read_toml(files.get("interlock.toml", b""))
    return AppConfig(
        command=config.start.command if config.start else _read_procfile(files.get("Procfile", b"")),
        health_path=config.health.path if config.health else "",
    )


def _read_toml(content: bytes) -> InterlockToml:
    try:
        return InterlockToml.model_validate(tomllib.loads(content.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"interlock.toml cannot be read: {error}") from error
    except ValidationError as error:
        raise Invalid(f"interlock.toml is not valid: {_problems(error)}") from error


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: "
        + ("unknown key" if problem["type"] == "extra_forbidden" else problem["msg"])
        for problem in error.errors()
    )


def _read_procfile(content: bytes) -> tuple[str, ...]:
    lines = content.decode(errors="replace").splitlines()
    command = next((line.partition(":")[2] for line in lines if line.startswith("web:")), "")
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise Invalid(f"the web: line of the Procfile cannot be read: {error}") from error
