"""How an app says how it is started: `interlock.toml`, or the `web:` line of a Procfile. No shell is involved."""

import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from services.domain.errors import Invalid
from services.krane.checks import check_health_path

HOW_TO = (
    'add a file interlock.toml with [start] command = ["python", "app.py"], '
    'or a Procfile with a line "web: python app.py"'
)


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
    """What an app's folder says about the app."""

    command: tuple[str, ...]
    # Empty: health is a TCP connect.
    health_path: str


def read_app_config(app: Path) -> AppConfig:
    """Read an app's folder. Raises Invalid saying what to add or correct."""
    config = _read_toml(app / "interlock.toml")
    return AppConfig(
        command=config.start.command if config.start else _read_procfile(app / "Procfile"),
        health_path=config.health.path if config.health else "",
    )


def _read_toml(path: Path) -> InterlockToml:
    if not path.is_file():
        return InterlockToml()
    try:
        return InterlockToml.model_validate(tomllib.loads(path.read_text()))
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


def _read_procfile(path: Path) -> tuple[str, ...]:
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    command = next((line.partition(":")[2] for line in lines if line.startswith("web:")), "")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise Invalid(f"the web: line of the Procfile cannot be read: {error}") from error
    if not words:
        raise Invalid(f"the source does not say how it is started: {HOW_TO}")
    return tuple(words)
