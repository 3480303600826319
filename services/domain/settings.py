"""How a deployment is run, and who says so, setting by setting: the request, else the project, else the source, else a
default.

The source's word is heard last of the three: krane alone can read it, when it builds. Until then, what the other
two gave is kept. What stays empty when all is settled is as the image or krane's own configuration has it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from services.domain.errors import Invalid

MAX_PORT: Final = 65_535
# Whoever removes a deployment waits for it, an emergency rollback that cancels one included.
MAX_STOP_SECONDS: Final = 300
MAX_WORDS: Final = 200
# Characters of a command.
MAX_COMMAND: Final = 8192

# A path and a query in their written form; no '@', '#' or '\', which could turn it into another host's URL.
_HEALTH_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:%/?-]{0,254}")


@dataclass(frozen=True, slots=True)
class Setting:
    """What people are told of a setting, and which numbers it takes."""

    # As messages, columns, `interlock config` and the classes below call it.
    name: str
    text: str
    # What counts when nobody says it.
    otherwise: str
    # Of numbers; 0 = it is none.
    lowest: int = 0
    highest: int = 0


SETTINGS: Final = (
    Setting("replicas", "How many instances", "1", 1, 50),
    Setting("cpu_millicores", "Milli-CPUs for each instance", "250", 10, 64_000),
    Setting("memory_mib", "MiB for each instance", "512", 16, 262_144),
    Setting("health_path", "What answers 2xx when an instance is healthy", "a TCP connection counts"),
    Setting("port", "Where containers listen", "what the image exposes, or 8080", 1, MAX_PORT),
    Setting("stop_seconds", "From SIGTERM to SIGKILL", "as krane is configured: 5", 1, MAX_STOP_SECONDS),
    Setting("ready_seconds", "From being created until it must be ready", "as configured: 60", 1, 3600),
    Setting("release_command", "What runs once before instances are made", "none"),
    Setting("command", "What instances run", "as the image says"),
)
SETTING_NAMES: Final = tuple(setting.name for setting in SETTINGS)
# Lists of arguments, for no shell.
COMMANDS: Final = ("release_command", "command")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What one of those who may say so says; None = nothing."""

    replicas: int | None = None
    cpu_millicores: int | None = None
    memory_mib: int | None = None
    health_path: str | None = None
    port: int | None = None
    stop_seconds: int | None = None
    ready_seconds: int | None = None
    # Empty: explicitly none, whatever those say who are heard later.
    release_command: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None

    def given(self) -> dict[str, Any]:
        """The settings that are said, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a deployment is run with."""

    replicas: int = 1
    cpu_millicores: int = 250
    memory_mib: int = 512
    # Empty: as its image says, else a TCP connection counts.
    health_path: str = ""
    # 0: as its image says, else as krane chooses.
    port: int = 0
    # 0: as its image says, else as krane is configured.
    stop_seconds: int = 0
    # 0: as interlock is configured.
    ready_seconds: int = 0
    # Empty: none.
    release_command: tuple[str, ...] = ()
    # Empty: as its image says.
    command: tuple[str, ...] = ()


def said_by(given: Mapping[str, Any]) -> RunSettings:
    """The settings among what is given by name, as a message or a file has them; the rest is not looked at."""
    said = {name: given[name] for name in SETTING_NAMES if name in given}
    said |= {name: tuple(said[name]) for name in COMMANDS if name in said}
    return RunSettings(**said)


def overlay(*said: RunSettings) -> RunSettings:
    """What several say together: of each setting, what the first of them says that says anything."""
    given: dict[str, Any] = {}
    for settings in said:
        given = settings.given() | given
    return RunSettings(**given)


def settle(*said: RunSettings) -> Settled:
    """What a deployment is run with: what they say together, and the defaults."""
    return Settled(**overlay(*said).given())


def check_settings(settings: RunSettings) -> None:
    """Raise Invalid when a value that is given cannot be used."""
    given = settings.given()
    for setting in SETTINGS:
        if setting.highest and setting.name in given:
            _check_range(setting, given[setting.name])
    if settings.release_command:
        check_command("release_command", settings.release_command)
    if settings.command is not None:
        check_command("command", settings.command)
    path = settings.health_path
    if path is not None and not _HEALTH_PATH.fullmatch(path):
        raise Invalid(
            f"health_path {path[:80]!r} is not usable: send a path such as '/healthz', beginning with one '/'"
        )


def check_command(name: str, words: Sequence[str]) -> None:
    """Raise Invalid unless these are the arguments of a command."""
    if not words or not words[0]:
        raise Invalid(f"{name} names no program: give it as a list of arguments, such as ['./manage.py', 'migrate']")
    if len(words) > MAX_WORDS or sum(map(len, words)) > MAX_COMMAND:
        raise Invalid(f"{name} is too long: use at most {MAX_WORDS} arguments of {MAX_COMMAND} characters together")
    if any("\0" in word for word in words):
        raise Invalid(f"{name} holds a NUL character, which no argument can")


def check_setting_name(name: str) -> str:
    """Return the name of a setting as it is; raises Invalid naming those there are."""
    if name not in SETTING_NAMES:
        raise Invalid(f"there is no setting {name[:80]!r}; use one of: {', '.join(SETTING_NAMES)}")
    return name


def _check_range(setting: Setting, value: int) -> None:
    if not setting.lowest <= value <= setting.highest:
        raise Invalid(f"{setting.name} is {value}: use {setting.lowest} to {setting.highest}")
