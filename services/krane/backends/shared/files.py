"""Values in JSON files, and folder trees."""

import asyncio
import os
import shutil
import stat
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter

from services.files import write_atomically

T = TypeVar("T")

PIECE_BYTES = 1024 * 1024


class Record(Generic[T]):
    """One value, kept as JSON in one file."""

    def __init__(self, path: Path, adapter: TypeAdapter[T]) -> None:
        self._path = path
        self._adapter = adapter

    def read(self) -> T | None:
        """Return the value; None if it was never written."""
        try:
            return self._adapter.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None

    def write(self, value: T) -> None:
        """Replace the value, durably."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, self._adapter.dump_json(value))

    def remove(self) -> None:
        """Remove the value; succeeds if there is none."""
        self._path.unlink(missing_ok=True)


async def read_in_pieces(path: Path) -> AsyncGenerator[bytes]:
    """Yield the content of a file, without blocking the event loop."""
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece


def make_read_only(folder: Path) -> None:
    """Remove the write permission from everything in a tree. Never follows a link."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
        Path(parent).chmod(stat.S_IMODE(Path(parent).stat().st_mode) & ~0o222)


def remove_tree(folder: Path) -> None:
    """Delete a tree, including read-only folders; succeeds if it is gone."""
    for parent, _, _ in os.walk(folder):
        Path(parent).chmod(0o700)
    if folder.exists():
        shutil.rmtree(folder)
