"""Images of the process backend: immutable folders, one per content address.

    artifacts/<digest>/app/            the source, and the working directory of instances
    artifacts/<digest>/venv/           a Python environment with what the app requires
    artifacts/<digest>/artifact.json   written last, by an atomic rename: the image is there once this file is

A Python environment cannot be moved, for its scripts name its path. So it is made where it stays, and the file
that is written last, not a rename of the folder, makes the image appear.
"""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from services.krane.backends.process.start_command import AppConfig
from services.krane.backends.shared.files import Record

# Part of every image's address: a change of the builder or of Python makes other images. Count up with the builder.
BUILDER = f"process-1 {sys.implementation.cache_tag}"
APP_CONFIG = TypeAdapter(AppConfig)


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


def artifact_of_source(artifacts: Path, source_digest: str) -> Artifact:
    """The image that a source becomes."""
    return artifact(artifacts, hashlib.sha256(f"{BUILDER} {source_digest}".encode()).hexdigest())
