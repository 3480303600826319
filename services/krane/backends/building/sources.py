"""Stores uploaded sources under the digest of their archive. A stored source is complete and was checked."""

import asyncio
import contextlib
import hashlib
import os
import uuid
from collections.abc import AsyncIterable
from pathlib import Path

from services.domain.errors import Invalid
from services.files import sync_folder
from services.krane.backends.building.archive import check_archive
from services.krane.checks import check_reference
from services.krane.types import StoredSource

PARTIAL = ".partial"
ARCHIVE = ".tar.gz"
# How long krane goes on reading an upload that is too large.
READ_REST_SECONDS = 10.0


class SourceStore:
    """The uploads of one installation."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def open(self) -> None:
        """Create the folder and remove what interrupted uploads left."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for leftover in self._folder.glob(f"*{PARTIAL}"):
            leftover.unlink()

    def archive(self, digest: str) -> Path:
        """Return the path of a source, whether it exists or not."""
        return self._folder / f"{digest}{ARCHIVE}"

    def stored(self) -> dict[str, str]:
        """Return the reference of every source, and its file's inode, which differs if the same is uploaded later."""
        return {
            f"source@sha256:{path.name.removesuffix(ARCHIVE)}": str(path.stat().st_ino)
            for path in self._folder.glob(f"*{ARCHIVE}")
        }

    def remove(self, source: str) -> None:
        """Remove a source; succeeds if it is gone."""
        self.archive(check_reference("source", source)).unlink(missing_ok=True)

    async def store(self, chunks: AsyncIterable[bytes]) -> StoredSource:
        """Store an archive; the same archive is the same source. Raises Invalid if refused, and stores nothing."""
        partial = self._folder / f"{uuid.uuid4().hex}{PARTIAL}"
        try:
            digest, size = await self._receive(chunks, partial)
            await asyncio.to_thread(check_archive, partial, self._max_bytes)
            await asyncio.to_thread(self._publish, partial, digest)
        finally:
            partial.unlink(missing_ok=True)
        return StoredSource(source=f"source@sha256:{digest}", size_bytes=size)

    async def _receive(self, chunks: AsyncIterable[bytes], partial: Path) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        with partial.open("wb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > self._max_bytes:
                    await _read_the_rest(chunks)
                    raise Invalid(
                        f"the source is larger than {self._max_bytes} bytes: "
                        "leave out what the app does not need to run"
                    )
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        return digest.hexdigest(), size

    def _publish(self, partial: Path, digest: str) -> None:
        partial.replace(self.archive(digest))
        sync_folder(self._folder)


async def _read_the_rest(chunks: AsyncIterable[bytes]) -> None:
    """Read the rest of an upload: a gRPC client that is answered while it sends may lose the answer."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READ_REST_SECONDS):
            async for _ in chunks:
                pass
