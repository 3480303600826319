"""How a deployment is run, and who says so: the request, else the project, else the source, else a default.

The source's word is heard last of the three, in krane, which alone can read it: what is empty here is what it may say.
"""

import re
from dataclasses import asdict, dataclass, fields
from typing import Final, TypeVar

from services.domain.errors import Invalid

T = TypeVar("T")

MAX_REPLICAS: Final = 50
MAX_CPU_MILLICORES: Final = 64_000
MAX_MEMORY_MIB: Final = 262_144

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

    def given(self) -> dict[str, int | str]:
        """The settings that are said, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a deployment is run with."""

    replicas: int
    cpu_millicores: int
    memory_mib: int
    # Empty: as the source says, else a TCP connection counts.
    health_path: str


SETTING_NAMES: Final = tuple(field.name for field in fields(RunSettings))


def settle(requested: RunSettings, project: RunSettings) -> Settled:
    """The request wins over the project, and the project over the defaults."""
    return Settled(
        replicas=_first(requested.replicas, project.replicas, 1),
        cpu_millicores=_first(requested.cpu_millicores, project.cpu_millicores, 250),
        memory_mib=_first(requested.memory_mib, project.memory_mib, 512),
        health_path=_first(requested.health_path, project.health_path, ""),
    )


def check_settings(settings: RunSettings) -> None:
    """Raise Invalid when a value that is given cannot be used."""
    _check_range("replicas", settings.replicas, 1, MAX_REPLICAS)
    _check_range("cpu_millicores", settings.cpu_millicores, 10, MAX_CPU_MILLICORES)
    _check_range("memory_mib", settings.memory_mib, 16, MAX_MEMORY_MIB)
    path = settings.health_path
    if path is not None and not _HEALTH_PATH.fullmatch(path):
        raise Invalid(
            f"health_path {path[:80]!r} is not usable: send a path such as '/healthz', beginning with one '/'"
        )


def check_setting_name(name: str) -> str:
    """Return the name of a setting as it is; raises Invalid naming those there are."""
    if name not in SETTING_NAMES:
        raise Invalid(f"there is no setting {name[:80]!r}; use one of: {', '.join(SETTING_NAMES)}")
    return name


def _check_range(name: str, value: int | None, lowest: int, highest: int) -> None:
    if value is not None and not lowest <= value <= highest:
        raise Invalid(f"{name} is {value}: use {lowest} to {highest}")


def _first(requested: T | None, project: T | None, default: T) -> T:
    if requested is not None:
        return requested
    return default if project is None else project
