"""Images of the process backend: immutable folders, one per content address.

artifacts/<digest>/app/            the source, and the working directory of instances
    artifacts/<digest>/venv/           a Python environment, with the app's requirements if it is a Python app
    artifacts/<digest>/artifact.json   written last, by an atomic rename: the image exists once this file does

A Python environment cannot be moved, since its scripts contain its path. So it is built in place, and the image appears
with the last file, not by renaming the folder.
"""

import asyncio
import hashlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from services.domain.errors import Invalid
from services.krane.backends.building.app_config import APP_CONFIG, AppConfig
from services.krane.backends.building.stored import Stored
from services.krane.backends.shared.files import Record, remove_tree
from services.krane.backends.shared.locks import Locks
from services.krane.checks import REFERENCE

# Part of every image's digest: another builder or Python makes another image. Increment it when the builder changes.
BUILDER = f"process-3 {sys.implementation.cache_tag}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """An image that exists or will be built."""

    digest: str
    folder: Path

    @property
    def image(self) -> str:
        """The reference that krane's callers use."""
        return f"artifact@sha256:{self.digest}"

    @property
    def app(self) -> Path:
        """The unpacked source."""
        return self.folder / "app"

    @property
    def venv(self) -> Path:
        """The Python environment."""
        return self.folder / "venv"

    @property
    def program_folders(self) -> tuple[Path, ...]:
        """The folders that hold the image's programs."""
        modules = self.app / "node_modules" / ".bin"
        return (self.venv / "bin", modules) if modules.exists() else (self.venv / "bin",)

    @property
    def config(self) -> AppConfig | None:
        """What the app's files say about it; None if the image does not exist."""
        return self._record.read()

    def publish(self, config: AppConfig) -> None:
        """Make the image exist. All its other files are in place."""
        self._record.write(config)

    def withdraw(self) -> None:
        """Make the image disappear. Its other files are for the next build, or for removal."""
        (self.folder / "artifact.json").unlink(missing_ok=True)

    @property
    def _record(self) -> Record[AppConfig]:
        return Record(self.folder / "artifact.json", APP_CONFIG)


def artifact(artifacts: Path, digest: str) -> Artifact:
    """Return the image of a digest."""
    return Artifact(digest=digest, folder=artifacts / digest)


class Artifacts:
    """The images of one installation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks = Locks()

    def of_source(self, source_digest: str) -> Artifact:
        """Return the image that is built from a source."""
        return artifact(self._folder, hashlib.sha256(f"{BUILDER} {source_digest}".encode()).hexdigest())

    def changing(self, digest: str) -> asyncio.Lock:
        """Return the lock to hold while building or removing an image."""
        return self._locks.of(digest)

    def names(self, references: Iterable[str]) -> set[str]:
        """Return the references, and the images of the sources among them. Raises Invalid for any other text."""
        names: set[str] = set()
        for reference in references:
            kind, digest = _parse(reference)
            names |= {reference, self.of_source(digest).image} if kind == "source" else {reference}
        return names

    async def stored(self) -> list[Stored]:
        """Return every image, including unfinished ones."""
        folders = list(self._folder.iterdir()) if self._folder.exists() else []
        images = [(artifact(self._folder, folder.name).image, folder) for folder in folders]
        return [Stored(image, str(folder.stat().st_ino), frozenset([image])) for image, folder in images]

    async def remove(self, reference: str, is_needed: Callable[[], bool]) -> bool:
        """Remove an image unless `is_needed` says otherwise at the last moment; returns whether it is gone."""
        image = artifact(self._folder, _parse(reference)[1])
        async with self.changing(image.digest):
            if is_needed():
                return False
            # Before anything is awaited: from now on nothing can start from it.
            image.withdraw()
            await asyncio.to_thread(remove_tree, image.folder)
        return True


def _parse(reference: str) -> tuple[str, str]:
    match = REFERENCE.fullmatch(reference)
    if match is None or match["kind"] not in ("source", "artifact"):
        raise Invalid(f"{reference[:120]!r} names neither a source nor an image: use '<kind>@sha256:<64 hex digits>'")
    return match["kind"], match["digest"]
