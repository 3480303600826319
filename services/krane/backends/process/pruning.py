"""Removes sources and images that nobody needs.

Callers say what they need; krane adds what its deployments and running builds use. How long something has been unneeded
is counted here, between calls and without the wall clock. An upload that comes again is another file, and counts anew.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from services.domain.errors import Invalid
from services.krane.backends.process.artifacts import artifact, artifact_of_source
from services.krane.backends.process.builds import Builds
from services.krane.backends.shared.deployments import Deployments
from services.krane.backends.shared.files import remove_tree
from services.krane.backends.shared.folders import Folders
from services.krane.checks import REFERENCE
from services.telemetry import get_logger

log = get_logger(__name__)

ARCHIVE = ".tar.gz"


@dataclass(frozen=True, slots=True, order=True)
class Stored:
    """A source or image on disk; `inode` tells it from what was there under the same name before."""

    reference: str
    inode: int


class Pruning:
    """The sources and images of one installation, and since when each is unneeded."""

    def __init__(self, folders: Folders, deployments: Deployments, builds: Builds) -> None:
        self._folders = folders
        self._deployments = deployments
        self._builds = builds
        # time.monotonic() of the first call that found it unneeded, by what was stored.
        self._unneeded_since: dict[Stored, float] = {}

    async def prune(self, keep: Iterable[str], unneeded_seconds: float) -> list[str]:
        """Remove what was unneeded in all calls of the last `unneeded_seconds`; returns it sorted. Raises Invalid."""
        kept = set(keep)
        needed = self._with_images(kept) | self._used()
        now = time.monotonic()
        self._unneeded_since = {
            stored: self._unneeded_since.get(stored, now) for stored in self._stored() if stored.reference not in needed
        }
        due = sorted(s for s, since in self._unneeded_since.items() if now - since >= unneeded_seconds)
        return [stored.reference for stored in due if await self._remove(stored.reference)]

    def _used(self) -> set[str]:
        return self._deployments.images() | self._with_images(self._builds.in_use())

    def _with_images(self, references: set[str]) -> set[str]:
        """The references, and the images that the sources among them become."""
        images: set[str] = set()
        for reference in references:
            kind, digest = _parse(reference)
            if kind == "source":
                images.add(artifact_of_source(self._folders.artifacts, digest).image)
        return references | images

    def _stored(self) -> list[Stored]:
        archives = self._folders.sources.glob(f"*{ARCHIVE}")
        sources = [_stored(f"source@sha256:{path.name.removesuffix(ARCHIVE)}", path) for path in archives]
        images = [_stored(artifact(self._folders.artifacts, path.name).image, path) for path in self._images()]
        return sources + images

    def _images(self) -> list[Path]:
        return list(self._folders.artifacts.iterdir()) if self._folders.artifacts.exists() else []

    async def _remove(self, reference: str) -> bool:
        kind, digest = _parse(reference)
        if kind == "source":
            return self._remove_source(reference, digest)
        return await self._remove_image(reference, digest)

    def _remove_source(self, reference: str, digest: str) -> bool:
        if reference in self._used():
            return False
        (self._folders.sources / f"{digest}{ARCHIVE}").unlink(missing_ok=True)
        log.info("source removed", source=reference)
        return True

    async def _remove_image(self, reference: str, digest: str) -> bool:
        async with self._builds.work_on(digest):
            if reference in self._used():
                return False
            image = artifact(self._folders.artifacts, digest)
            # At once, before anybody else is served: from here on nothing can be started from it.
            image.withdraw()
            await asyncio.to_thread(remove_tree, image.folder)
        log.info("image removed", image=reference)
        return True


def _stored(reference: str, path: Path) -> Stored:
    return Stored(reference, path.stat().st_ino)


def _parse(reference: str) -> tuple[str, str]:
    match = REFERENCE.fullmatch(reference)
    if match is None or match["kind"] not in ("source", "artifact"):
        raise Invalid(f"{reference[:120]!r} names neither a source nor an image: use '<kind>@sha256:<64 hex digits>'")
    return match["kind"], match["digest"]
