"""Reads an app's own files: `interlock.toml`, and the `web:` and `release:` lines of a Procfile."""

import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from services.domain.errors import Invalid
from services.domain.plan import Plan
from services.domain.plan.procfile import PROCFILE, RELEASE, WEB, parse_procfile, shell_words
from services.domain.settings import check_command, check_settings, settings_from
from services.domain.variables import check_variables
from services.krane.types import AppSettings

INTERLOCK_TOML = "interlock.toml"
FILES = (INTERLOCK_TOML, PROCFILE)
# "$PORT" as a whole word: "$PORTS" is another variable.
_PORT = re.compile(r"\$\{PORT\}|\$PORT(?![A-Za-z0-9_])")
_HOST = re.compile(r"\$\{HOST\}|\$HOST(?![A-Za-z0-9_])")
# The settings are stored with the image, and with each of its builds and deployments.
MAX_TOML_BYTES = 64 * 1024


def _words(value: object) -> object:
    return shlex.split(value) if isinstance(value, str) else value


# A list of arguments, or one string that is split like a shell splits it.
Words = Annotated[list[str], BeforeValidator(_words), Field(min_length=1)]


class _Section(BaseModel):
    # Strict: "2" is not a number, and 2 is not a value of a variable.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StartSection(_Section):
    """[start]"""

    command: Words | None = None
    # The port that the app listens on in a container.
    port: int | None = None
    # Seconds from SIGTERM to SIGKILL.
    stop_seconds: int | None = None
    # "h2c" for gRPC.
    protocol: str | None = None


class HealthSection(_Section):
    """[health]"""

    # GET on this path answers 2xx when the app is healthy.
    health_path: str | None = Field(default=None, alias="path")
    # Seconds from the creation of an instance until it has to be healthy.
    ready_seconds: int | None = None


class ResourcesSection(_Section):
    """[resources]"""

    replicas: int | None = None
    cpu_millicores: int | None = None
    memory_mib: int | None = None


class ReleaseSection(_Section):
    """[release]"""

    release_command: Words | None = Field(default=None, alias="command")


class BuildSection(_Section):
    """[build]"""

    # Runs in the source after everything is installed.
    command: Words | None = None


class OpenapiSection(_Section):
    """[openapi]"""

    # "refuse" stops a deployment whose API breaks callers of the live one.
    openapi_breaking: str | None = Field(default=None, alias="breaking")


class StaticSection(_Section):
    """[static]"""

    # Folder to serve, relative to the source.
    folder: str | None = None


class InterlockToml(_Section):
    """The whole file."""

    # Only the command line reads it.
    project: str = ""
    start: StartSection = StartSection()
    health: HealthSection = HealthSection()
    resources: ResourcesSection = ResourcesSection()
    release: ReleaseSection = ReleaseSection()
    build: BuildSection = BuildSection()
    static: StaticSection = StaticSection()
    openapi: OpenapiSection = OpenapiSection()
    # Paths by name.
    volumes: dict[str, str] = {}
    env: dict[str, str] = {}


_SECTIONS: Mapping[str, type[_Section]] = {
    "start": StartSection,
    "health": HealthSection,
    "resources": ResourcesSection,
    "release": ReleaseSection,
    "build": BuildSection,
    "static": StaticSection,
    "openapi": OpenapiSection,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AppConfig:
    """What an app's files say about it."""

    # "$PORT" and "${PORT}" stand for the port to listen on. Empty: the files name no command.
    command: tuple[str, ...]
    settings: AppSettings = field(default_factory=AppSettings)
    # One sentence on what to add, if nothing says how to start the app.
    missing_start: str = ""


APP_CONFIG = TypeAdapter(AppConfig)


def parse_app_config(files: Mapping[str, bytes]) -> AppConfig:
    """Parse the files of `FILES` that exist, given by name. Raises Invalid with what to correct."""
    toml = _read_toml(files.get(INTERLOCK_TOML, b""))
    try:
        settings = _settings(toml)
        if toml.start.command:
            check_command("[start] command", toml.start.command)
    except Invalid as error:
        raise Invalid(f"interlock.toml is not valid: {error.message}") from error
    lines = {line.name: line for line in parse_procfile(files.get(PROCFILE, b"").decode(errors="replace"))}
    if RELEASE in lines and settings.run.release_command is None:
        settings = replace(settings, run=replace(settings.run, release_command=shell_words(lines[RELEASE])))
    command = toml.start.command or (shell_words(lines[WEB]) if WEB in lines else ())
    return AppConfig(command=tuple(command), settings=settings)


def with_port(command: Iterable[str], port: str) -> list[str]:
    """Return the arguments with the port filled in: no shell expands them."""
    return [_PORT.sub(port, word) for word in command]


def planned_command(plan: Plan, static_server: str) -> tuple[str, ...]:
    """The command that a plan starts; empty if it has none. `static_server` is the path of that program."""
    if plan.static:
        page = ("--single-page",) if plan.static.is_single_page else ()
        return ("python", static_server, plan.static.folder, *page)
    return plan.start.arguments if plan.start else ()


def with_host(command: Iterable[str], host: str) -> tuple[str, ...]:
    """Return the arguments with the address to listen on filled in. All instances of a backend use the same address."""
    return tuple(_HOST.sub(host, word) for word in command)


def check_app_settings(settings: AppSettings) -> None:
    """Check the settings by the rules for settings in a request. Raises Invalid."""
    check_settings(settings.run)
    check_variables(settings.environment)


def _settings(toml: InterlockToml) -> AppSettings:
    given: dict[str, object] = {}
    # Without [start] command, which is not a setting: the image holds it, and a Dockerfile may say it as well.
    for section in (toml.resources, toml.health, toml.start, toml.release, toml.openapi):
        given |= section.model_dump(exclude={"command"}, exclude_none=True)
    if toml.volumes:
        given["volumes"] = [f"{name}={path}" for name, path in toml.volumes.items()]
    settings = AppSettings(run=settings_from(given), environment=toml.env)
    check_app_settings(settings)
    return settings


def _read_toml(content: bytes) -> InterlockToml:
    if len(content) > MAX_TOML_BYTES:
        raise Invalid(f"interlock.toml has {len(content)} bytes: use at most {MAX_TOML_BYTES}")
    try:
        return InterlockToml.model_validate(tomllib.loads(content.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"interlock.toml cannot be read: {error}") from error
    except ValidationError as error:
        raise Invalid(f"interlock.toml is not valid: {_problems(error)}") from error


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: "
        + (_unknown_key(problem["loc"]) if problem["type"] == "extra_forbidden" else problem["msg"])
        for problem in error.errors()
    )


def _unknown_key(place: tuple[int | str, ...]) -> str:
    section = InterlockToml if len(place) == 1 else _SECTIONS[str(place[0])]
    keys = (field.alias or name for name, field in section.model_fields.items())
    return f"unknown key; known keys: {', '.join(keys)}"
