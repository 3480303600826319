"""What builds need of a git client."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.domain.git import GitSource
from services.krane.backends.building.builder import BuildLog
from services.krane.types import HostCredential


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A fetched commit."""

    # A gzipped tar, not checked yet.
    archive: Path
    # The full commit id.
    commit: str
    # The default branch, if it was asked for and the server told it; else empty.
    branch: str


class Fetcher(Protocol):
    """Fetches commits from git repositories."""

    def check(self, git: GitSource) -> None:
        """Raise Invalid if this krane may not fetch it."""
        ...

    async def fetch(
        self, git: GitSource, folder: Path, build_log: BuildLog, credential: HostCredential | None
    ) -> Fetched:
        """Fetch into a folder that nobody else uses. If this fails or is cancelled, none of its processes is left.

        The credential is for the repository's server. Raises PreconditionFailed with one sentence on what to correct.
        """
        ...

    async def clear(self, folders: list[Path]) -> None:
        """End fetches that an earlier krane started in these folders, and remove the folders."""
        ...
