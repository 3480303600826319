"""What a backend implements to build images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.krane.backends.shared.logs import append_line
from services.krane.types import AppSettings, HostCredential

LOG_FILE_BYTES = 1024 * 1024


class BuildLog:
    """The log of one build. When it exceeds its size limit, the older half is dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begun = ""

    def say(self, line: str) -> None:
        """Add a line of krane's own, after ending an unfinished line."""
        if self._begun:
            self.write("\n")
        self.write(f"{line}\n")

    def write(self, text: str) -> None:
        """Add output, which may begin and end in the middle of a line. A line is stored once it is complete."""
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
    # A folder that only this build uses.
    folder: Path
    log: BuildLog
    # Credentials for the registries of base images.
    credentials: tuple[HostCredential, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """An image that was built from a source."""

    # The reference that krane's callers use.
    name: str
    # The settings in the source's own files.
    settings: AppSettings


class Builder(Protocol):
    """Makes the images of one backend."""

    @property
    def asks_registries(self) -> bool:
        """Whether builds pull base images, and so need credentials."""
        ...

    async def find(self, source_digest: str) -> BuiltImage | None:
        """Return the image of a source; None if it does not exist. Raises Unavailable if that is unknown."""
        ...

    async def make(self, work: BuildWork) -> BuiltImage:
        """Build the image of a source. If this fails or is cancelled, nothing of it is left.

        Raises Invalid or PreconditionFailed with one sentence on what to correct, Unavailable if a retry may succeed.
        """
        ...

    async def trim_cache(self) -> None:
        """Bring the build cache down to its size limit. No build runs meanwhile."""
        ...

    async def clear(self, folders: list[Path]) -> None:
        """End and remove what these builds, given by their folders, left when an earlier krane was killed."""
        ...
