"""How a deployment is run. Request, project and source tree may set each setting; a default fills the rest.

The request wins over the project, and the project over the source tree. Only krane reads the source tree, when it
builds, so its settings come last: until then the row keeps what request and project set.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from services.domain.errors import Invalid
from services.domain.volumes import parse_volumes

MAX_PORT: Final = 65_535
# Removing a deployment waits this long, also when an emergency rollback cancels one.
MAX_STOP_SECONDS: Final = 300
# Protocols from gateways to instances; h2c is HTTP/2 without TLS and without an upgrade.
HTTP1: Final = "http/1.1"
H2C: Final = "h2c"
# What becomes of a deployment whose API breaks callers of the live one.
ALLOW: Final = "allow"
REFUSE: Final = "refuse"
MAX_WORDS: Final = 200
# Characters of a command.
MAX_COMMAND: Final = 8192

# A path and a query, percent-encoded; no '@', '#' or '\', which could make it a URL of another host.
_HEALTH_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:%/?-]{0,254}")


@dataclass(frozen=True, slots=True)
class Setting:
    """What users read about a setting, and the numbers it accepts."""

    # Messages, rows, `interlock config` and the classes below use this name.
    name: str
    text: str
    # Default, as a text for users.
    default: str
    # Range of a number; 0: not a number.
    lowest: int = 0
    highest: int = 0


SETTINGS: Final = (
    Setting("replicas", "Number of instances", "1", 1, 50),
    Setting("cpu_millicores", "CPU per instance in thousandths", "250", 10, 64_000),
    Setting("memory_mib", "Memory per instance in MiB", "512", 16, 262_144),
    Setting("health_path", "Path that answers 2xx when an instance is healthy", "a TCP connection is enough"),
    Setting("port", "Port on which containers listen", "the one the image exposes, or 8080", 1, MAX_PORT),
    Setting("stop_seconds", "Seconds from SIGTERM to SIGKILL", "krane's setting, 5", 1, MAX_STOP_SECONDS),
    Setting("ready_seconds", "Seconds until a new deployment must be ready", "the configured time, 60", 1, 3600),
    Setting("release_command", "Command that runs once before instances start", "none"),
    Setting("command", "Command that instances run", "the image's"),
    Setting("protocol", "Protocol of instances: http/1.1, or h2c for gRPC", "http/1.1"),
    Setting("volumes", "Folders that are kept over deployments, NAME=/PATH", "none"),
    Setting("openapi_breaking", "Whether a deployment may break callers of its API: allow or refuse", "allow"),
)
SETTING_NAMES: Final = tuple(setting.name for setting in SETTINGS)
# Lists of words; those of commands are read by no shell.
LISTS: Final = ("release_command", "command", "volumes")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Settings from one source (request, project or source tree). None: not set there."""

    replicas: int | None = None
    cpu_millicores: int | None = None
    memory_mib: int | None = None
    health_path: str | None = None
    port: int | None = None
    stop_seconds: int | None = None
    ready_seconds: int | None = None
    # Empty: run none, whatever a later source sets.
    release_command: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    protocol: str | None = None
    # Each "name=/path".
    volumes: tuple[str, ...] | None = None
    # "refuse" stops a deployment whose API breaks callers of the live one.
    openapi_breaking: str | None = None

    def set_fields(self) -> dict[str, Any]:
        """Return the settings that are set, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveSettings:
    """The settings that a deployment is run with."""

    replicas: int = 1
    cpu_millicores: int = 250
    memory_mib: int = 512
    # Empty: as the image says, else a TCP connection counts.
    health_path: str = ""
    # 0: as the image says, else as krane chooses.
    port: int = 0
    # 0: as the image says, else as krane is configured.
    stop_seconds: int = 0
    # 0: as interlock is configured.
    ready_seconds: int = 0
    # Empty: none.
    release_command: tuple[str, ...] = ()
    # Empty: as the image says.
    command: tuple[str, ...] = ()
    protocol: str = HTTP1
    volumes: tuple[str, ...] = ()
    openapi_breaking: str = ALLOW


def settings_from(values: Mapping[str, Any]) -> RunSettings:
    """Pick the settings out of named values, such as the fields of a message; other names are ignored."""
    found = {name: values[name] for name in SETTING_NAMES if name in values}
    found |= {name: tuple(found[name]) for name in LISTS if name in found}
    return RunSettings(**found)


def overlay(*sources: RunSettings) -> RunSettings:
    """Merge settings; for each one the first source that sets it wins."""
    merged: dict[str, Any] = {}
    for settings in sources:
        merged = settings.set_fields() | merged
    return RunSettings(**merged)


def resolve(*sources: RunSettings) -> EffectiveSettings:
    """Merge settings, the first source first, and fill in the defaults."""
    return EffectiveSettings(**overlay(*sources).set_fields())


def only(settings: EffectiveSettings, names: Iterable[str]) -> EffectiveSettings:
    """Return these settings; the others have their defaults."""
    return EffectiveSettings(**{name: getattr(settings, name) for name in names})


def check_settings(settings: RunSettings) -> None:
    """Raise Invalid if a set value is not usable."""
    values = settings.set_fields()
    for setting in SETTINGS:
        if setting.highest and setting.name in values:
            _check_range(setting, values[setting.name])
    if settings.release_command:
        check_command("release_command", settings.release_command)
    if settings.command is not None:
        check_command("command", settings.command)
    if settings.protocol not in (None, HTTP1, H2C):
        raise Invalid(f"protocol {settings.protocol[:80]!r} is not known: use {HTTP1!r} or {H2C!r}")
    if settings.openapi_breaking not in (None, ALLOW, REFUSE):
        raise Invalid(f"openapi_breaking {settings.openapi_breaking[:80]!r} is not known: use {ALLOW!r} or {REFUSE!r}")
    parse_volumes(settings.volumes or ())
    path = settings.health_path
    if path is not None and not _HEALTH_PATH.fullmatch(path):
        raise Invalid(
            f"health_path {path[:80]!r} is not usable: send a path such as '/healthz', beginning with one '/'"
        )


def check_effective(settings: EffectiveSettings) -> None:
    """Raise Invalid if these settings cannot be run. Empty values are allowed where the default is empty."""
    defaults = asdict(EffectiveSettings())
    check_settings(RunSettings(**{name: value for name, value in asdict(settings).items() if value or defaults[name]}))


def check_command(name: str, words: Sequence[str]) -> None:
    """Raise Invalid unless these are the arguments of a command."""
    if not words or not words[0]:
        raise Invalid(f"{name} names no program: give it as a list of arguments, such as ['./manage.py', 'migrate']")
    if len(words) > MAX_WORDS or sum(map(len, words)) > MAX_COMMAND:
        raise Invalid(f"{name} is too long: use at most {MAX_WORDS} arguments of {MAX_COMMAND} characters together")
    if any("\0" in word for word in words):
        raise Invalid(f"{name} holds a NUL character, which no argument can")


def check_setting_name(name: str) -> str:
    """Return the name of a setting unchanged; raises Invalid with the list of settings."""
    if name not in SETTING_NAMES:
        raise Invalid(f"there is no setting {name[:80]!r}; use one of: {', '.join(SETTING_NAMES)}")
    return name


def _check_range(setting: Setting, value: int) -> None:
    if not setting.lowest <= value <= setting.highest:
        raise Invalid(f"{setting.name} is {value}: use {setting.lowest} to {setting.highest}")
