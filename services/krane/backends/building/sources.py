"""Uploaded sources, stored under the digest of their archive. What is stored is whole and was checked."""

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
# How long a sender of too much is listened to.
HEAR_OUT_SECONDS = 10.0


class SourceStore:
    """The uploads of one installation."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def open(self) -> None:
        """Prepare the folder and drop what interrupted uploads left."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for leftover in self._folder.glob(f"*{PARTIAL}"):
            leftover.unlink()

    def archive(self, digest: str) -> Path:
        """Where a source lies when it is there."""
        return self._folder / f"{digest}{ARCHIVE}"

    def stored(self) -> dict[str, str]:
        """Every source by its reference, and what tells its file from an earlier upload of the same."""
        return {
            f"source@sha256:{path.name.removesuffix(ARCHIVE)}": str(path.stat().st_ino)
            for path in self._folder.glob(f"*{ARCHIVE}")
        }

    def remove(self, source: str) -> None:
        """Remove a source; succeeds when it is gone."""
        self.archive(check_reference("source", source)).unlink(missing_ok=True)

    async def store(self, chunks: AsyncIterable[bytes]) -> StoredSource:
        """Store an archive; the same one again is the same source. Raises Invalid when it is refused; nothing stays."""
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
                    await _hear_out(chunks)
                    raise Invalid(
                        f"the source is larger than {self._max_bytes} bytes: leave out what is not needed to run"
                    )
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        return digest.hexdigest(), size

    def _publish(self, partial: Path, digest: str) -> None:
        partial.replace(self.archive(digest))
        sync_folder(self._folder)


async def _hear_out(chunks: AsyncIterable[bytes]) -> None:
    """Let a sender end: gRPC clients that are answered while they send may lose the answer over their next message."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HEAR_OUT_SECONDS):
            async for _ in chunks:
                pass
