"""Volumes: folders that are kept over the deployments of an environment. As a setting, each is "name=/path"."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from services.domain.errors import Invalid

MAX_VOLUMES: Final = 10
# Where images have the app; the process backend has it elsewhere, and means its folder by this.
APP_FOLDER: Final = PurePosixPath("/app")

_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?")
_PATH = re.compile(r"(?:/[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*){1,16}")
MAX_PATH: Final = 200
# Folders that programs need as the system has them.
_SYSTEM = frozenset(
    map(PurePosixPath, ("/bin", "/boot", "/etc", "/home", "/lib", "/lib64", "/opt", "/root", "/run", "/sbin", "/tmp"))
) | frozenset(map(PurePosixPath, ("/usr", "/usr/bin", "/usr/lib", "/usr/local", "/var")))
# Not even folders below them can be volumes.
_KERNEL = frozenset(map(PurePosixPath, ("/dev", "/proc", "/sys")))


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of a deployment, and where its instances see it."""

    name: str
    path: PurePosixPath

    @property
    def variable(self) -> str:
        """The variable that tells instances where it is."""
        return f"INTERLOCK_VOLUME_{self.name.upper().replace('-', '_')}"


def parse_volumes(texts: Sequence[str]) -> tuple[Volume, ...]:
    """Parse and check the volumes of a deployment. Raises Invalid with what to correct."""
    if len(texts) > MAX_VOLUMES:
        raise Invalid(f"there are {len(texts)} volumes: use at most {MAX_VOLUMES}")
    volumes = tuple(map(_parse, texts))
    for number, one in enumerate(volumes):
        for other in volumes[:number]:
            _check_pair(one, other)
    return volumes


def check_volume_name(name: str) -> str:
    """Return the name of a volume unchanged. Raises Invalid."""
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"volume name {name[:80]!r} is not usable: use 1 to 32 lower-case letters, digits and '-', a letter first"
        )
    return name


def volume_variables(volumes: Iterable[Volume]) -> dict[str, str]:
    """Return the variables that tell instances where their volumes are."""
    return {volume.variable: str(volume.path) for volume in volumes}


def _parse(text: str) -> Volume:
    name, _, written = text.partition("=")
    check_volume_name(name)
    path = PurePosixPath(written)
    if len(written) > MAX_PATH or not _PATH.fullmatch(written):
        raise Invalid(
            f"path {written[:80]!r} of volume {name} is not usable: write it as in {name}=/data, "
            "complete, of letters, digits and '._@+-', without a final '/'"
        )
    if path == APP_FOLDER:
        raise Invalid(f"volume {name} would hide the app in {path}: use a folder in it, such as {path}/{name}")
    if path in _SYSTEM or _KERNEL & {path, *path.parents}:
        raise Invalid(f"volume {name} would hide {path} of the system: use another folder, such as /data")
    return Volume(name, path)


def _check_pair(one: Volume, other: Volume) -> None:
    if one.name == other.name:
        raise Invalid(f"volume {one.name} is named twice: name each once")
    if one.path == other.path or one.path in other.path.parents or other.path in one.path.parents:
        raise Invalid(f"volumes {other.name} and {one.name} lie in each other: {other.path} and {one.path}")
