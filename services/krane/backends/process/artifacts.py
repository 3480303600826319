"""Images of the process backend: immutable folders, one per content address.

    artifacts/<digest>/app/            the source, and the working directory of instances
    artifacts/<digest>/venv/           a Python environment, with what the app requires when it is of Python
    artifacts/<digest>/artifact.json   written last, by an atomic rename: the image is there once this file is

A Python environment cannot be moved, for its scripts name its path. So it is made where it stays, and the file
that is written last, not a rename of the folder, makes the image appear.
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

# Part of every image's address: a change of the builder or of Python makes other images. Count up with the builder.
BUILDER = f"process-3 {sys.implementation.cache_tag}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """An image, there or to be made."""

    digest: str
    folder: Path

    @property
    def image(self) -> str:
        """The name for krane's callers."""
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
        """Where the programs are that it brings."""
        modules = self.app / "node_modules" / ".bin"
        return (self.venv / "bin", modules) if modules.exists() else (self.venv / "bin",)

    @property
    def config(self) -> AppConfig | None:
        """What the app says about itself; None while the image is not there."""
        return self._record.read()

    def publish(self, config: AppConfig) -> None:
        """Make the image appear. Everything else of it is in place."""
        self._record.write(config)

    def withdraw(self) -> None:
        """Make the image disappear. What is left of it is for whoever makes it again, or removes it."""
        (self.folder / "artifact.json").unlink(missing_ok=True)

    @property
    def _record(self) -> Record[AppConfig]:
        return Record(self.folder / "artifact.json", APP_CONFIG)


def artifact(artifacts: Path, digest: str) -> Artifact:
    """The image of a digest."""
    return Artifact(digest=digest, folder=artifacts / digest)


class Artifacts:
    """The images of one installation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks = Locks()

    def of_source(self, source_digest: str) -> Artifact:
        """The image that a source becomes."""
        return artifact(self._folder, hashlib.sha256(f"{BUILDER} {source_digest}".encode()).hexdigest())

    def changing(self, digest: str) -> asyncio.Lock:
        """The lock that whoever makes or removes an image holds."""
        return self._locks.of(digest)

    def names(self, references: Iterable[str]) -> set[str]:
        """The references, and the images that the sources among them become. Raises Invalid for what is neither."""
        names: set[str] = set()
        for reference in references:
            kind, digest = _parse(reference)
            names |= {reference, self.of_source(digest).image} if kind == "source" else {reference}
        return names

    async def stored(self) -> list[Stored]:
        """Every image, half-made ones included."""
        folders = list(self._folder.iterdir()) if self._folder.exists() else []
        images = [(artifact(self._folder, folder.name).image, folder) for folder in folders]
        return [Stored(image, str(folder.stat().st_ino), frozenset([image])) for image, folder in images]

    async def remove(self, reference: str, is_needed: Callable[[], bool]) -> bool:
        """Remove an image, unless it is needed at the last moment, and say whether it is gone."""
        image = artifact(self._folder, _parse(reference)[1])
        async with self.changing(image.digest):
            if is_needed():
                return False
            # At once, before anybody else is served: from here on nothing can be started from it.
            image.withdraw()
            await asyncio.to_thread(remove_tree, image.folder)
        return True


def _parse(reference: str) -> tuple[str, str]:
    match = REFERENCE.fullmatch(reference)
    if match is None or match["kind"] not in ("source", "artifact"):
        raise Invalid(f"{reference[:120]!r} names neither a source nor an image: use '<kind>@sha256:<64 hex digits>'")
    return match["kind"], match["digest"]
