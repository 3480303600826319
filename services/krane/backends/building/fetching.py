"""How builds get at a source that is not here yet."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.domain.git import GitSource
from services.krane.backends.building.builder import BuildLog
from services.krane.types import HostCredential


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A commit, in the folder that it was fetched into."""

    # A gzipped tar, not checked yet.
    archive: Path
    # The whole id.
    commit: str
    # The repository's default branch, when that was asked for and its server says it; empty otherwise.
    branch: str


class Fetcher(Protocol):
    """Fetches commits from git repositories."""

    def check(self, git: GitSource) -> None:
        """Raise Invalid when this krane may not fetch it."""
        ...

    async def fetch(
        self, git: GitSource, folder: Path, build_log: BuildLog, credential: HostCredential | None
    ) -> Fetched:
        """Fetch into a folder that nobody else uses. When it fails or is cancelled, nothing of it runs any more.

        The credential is for the repository's server.

        Raises PreconditionFailed with one sentence on what to correct.
        """
        ...

    async def clear(self, folders: list[Path]) -> None:
        """End what an earlier krane fetched into the folders, and remove them."""
        ...
