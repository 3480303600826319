"""How a deployment is run, and who says so, setting by setting: the request, else the project, else the source, else a
default.

The source's word is heard last of the three: krane alone can read it, when it builds. Until then, what the other
two gave is kept. What stays empty when all is settled is as the image or krane's own configuration has it.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from services.domain.errors import Invalid

MAX_REPLICAS: Final = 50
MAX_CPU_MILLICORES: Final = 64_000
MAX_MEMORY_MIB: Final = 262_144
MAX_PORT: Final = 65_535
# Whoever removes a deployment waits for it, an emergency rollback that cancels one included.
MAX_STOP_SECONDS: Final = 300
MAX_READY_SECONDS: Final = 3600
MAX_WORDS: Final = 200
# Characters of a command.
MAX_COMMAND: Final = 8192

# A path and a query in their written form; no '@', '#' or '\', which could turn it into another host's URL.
_HEALTH_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:%/?-]{0,254}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What one of those who may say so says; None = nothing."""

    replicas: int | None = None
    # Thousandths of a CPU, of each instance.
    cpu_millicores: int | None = None
    # Of each instance.
    memory_mib: int | None = None
    health_path: str | None = None
    # Where an instance listens, when that is not krane's to choose.
    port: int | None = None
    # Between asking an instance to end (SIGTERM) and killing it.
    stop_seconds: int | None = None
    # From being created until enough instances are healthy.
    ready_seconds: int | None = None
    # Arguments, for no shell. Empty: explicitly none, whatever those say who are heard later.
    release_command: tuple[str, ...] | None = None
    # What an instance runs instead of what its image says. Likewise.
    command: tuple[str, ...] | None = None

    def given(self) -> dict[str, int | str | tuple[str, ...]]:
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


SETTING_NAMES: Final = tuple(field.name for field in fields(RunSettings))


def overlay(*said: RunSettings) -> RunSettings:
    """What several say together: of each setting, what the first of them says that says anything."""
    given: dict[str, Any] = {}
    for settings in said:
        given = settings.given() | given
    return RunSettings(**given)


def settle(*said: RunSettings) -> Settled:
    """What a deployment is run with: what they say together, and the defaults."""
    given: dict[str, Any] = overlay(*said).given()
    return Settled(**given)


def check_settings(settings: RunSettings) -> None:
    """Raise Invalid when a value that is given cannot be used."""
    _check_range("replicas", settings.replicas, 1, MAX_REPLICAS)
    _check_range("cpu_millicores", settings.cpu_millicores, 10, MAX_CPU_MILLICORES)
    _check_range("memory_mib", settings.memory_mib, 16, MAX_MEMORY_MIB)
    _check_range("port", settings.port, 1, MAX_PORT)
    _check_range("stop_seconds", settings.stop_seconds, 1, MAX_STOP_SECONDS)
    _check_range("ready_seconds", settings.ready_seconds, 1, MAX_READY_SECONDS)
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


def _check_range(name: str, value: int | None, lowest: int, highest: int) -> None:
    if value is not None and not lowest <= value <= highest:
        raise Invalid(f"{name} is {value}: use {lowest} to {highest}")
