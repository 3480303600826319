"""What a backend adds to the shared builds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.krane.backends.shared.logs import append_line
from services.krane.types import AppSettings, HostCredential

LOG_FILE_BYTES = 1024 * 1024


class BuildLog:
    """The log of one build; over its size, the older half of it is dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begun = ""

    def say(self, line: str) -> None:
        """Add a line of krane's own, after what was written before it."""
        if self._begun:
            self.write("\n")
        self.write(f"{line}\n")

    def write(self, text: str) -> None:
        """Add what was written, which may begin and end in the middle of a line; a line is there once it has ended."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            append_line(self.path, line)
        if lines and self.path.stat().st_size > LOG_FILE_BYTES:
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildWork:
    """One build, as its builder sees it. The ids were checked."""

    namespace: str
    build_id: str
    source_digest: str
    # The checked archive of the source.
    archive: Path
    # A folder of the build's own.
    folder: Path
    log: BuildLog
    # For the registries of base images.
    credentials: tuple[HostCredential, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """An image that a source has become."""

    # As krane's callers name it.
    name: str
    # What its source says.
    settings: AppSettings


class Builder(Protocol):
    """How one backend makes images."""

    @property
    def asks_registries(self) -> bool:
        """Whether it has a use for credentials, of base images."""
        ...

    async def find(self, source_digest: str) -> BuiltImage | None:
        """The image that a source has become; None when it is not there. Raises Unavailable when nobody knows."""
        ...

    async def make(self, work: BuildWork) -> BuiltImage:
        """Make the image of a source. When it fails or is cancelled, nothing of it is left.

        Raises Invalid or PreconditionFailed with one sentence on what to correct, Unavailable when it may work later.
        """
        ...

    async def trim_cache(self) -> None:
        """Remove what only makes builds faster, so far as it is over its size. Nothing is being built."""
        ...

    async def clear(self, folders: list[Path]) -> None:
        """End and remove what the builds with these folders had begun when an earlier krane was killed."""
        ...
