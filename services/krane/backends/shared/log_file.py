"""Follows a log file across rotations.

An open file keeps its inode number, by which its place among the rotated files is found after any number of renames.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from services.krane.backends.shared.log_lines import Line, Place, Splitter
from services.krane.backends.shared.logs import rotated
from services.krane.types import FollowedLine

CHUNK_BYTES = 64 * 1024
# Between polls of a file without new lines.
POLL_SECONDS = 0.2


async def follow_file(path: Path, place: Place, is_over: Callable[[], bool]) -> AsyncGenerator[list[FollowedLine]]:
    """Yield the new lines of a log in groups, until it is over and everything was read."""
    with LogFile(path, place.note_gap) as log:
        yield place.catch_up(await asyncio.to_thread(log.read_all))
        while True:
            # Asked before reading, so that everything written until then is read.
            over = is_over()
            lines = log.read()
            yield [place.advance(line) for line in lines]
            if not lines:
                if over:
                    break
                await asyncio.sleep(POLL_SECONDS)
        yield [place.advance(line) for line in log.read_rest()]


class LogFile:
    """Reads one log from its oldest line on. Use as a context manager."""

    def __init__(self, path: Path, note_gap: Callable[[], None]) -> None:
        """`note_gap` is called if files were rotated away before they could be read."""
        self._path = path
        self._note_gap = note_gap
        self._splitter = Splitter()
        self._file: IO[bytes] | None = None
        self._held = ExitStack()

    def __enter__(self) -> "LogFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def read(self) -> list[Line]:
        """Return some of the new lines; empty if there are none."""
        while data := self._next_bytes():
            if lines := self._splitter.feed(data):
                return lines
        return []

    def read_all(self) -> list[Line]:
        """Return all new lines."""
        lines: list[Line] = []
        while more := self.read():
            lines += more
        return lines

    def read_rest(self) -> list[Line]:
        """Return the last line, if its writer was cut off in it."""
        return self._splitter.end()

    def _next_bytes(self) -> bytes:
        data = self._read_bytes()
        if data or self._is_newest():
            return data
        # What was written between the first read and the rotation.
        return self._read_bytes() or self._open_next()

    def _read_bytes(self) -> bytes:
        return self._file.read(CHUNK_BYTES) if self._file else b""

    def _is_newest(self) -> bool:
        try:
            newest = self._path.stat()
        except FileNotFoundError:
            # Nothing was written yet, or a rotation is just creating the next file.
            return True
        return self._file is not None and os.path.samestat(newest, os.fstat(self._file.fileno()))

    def _open_next(self) -> bytes:
        with ExitStack() as opened:
            files = _open_all(self._path, opened)
            numbers = [os.fstat(file.fileno()).st_ino for file in files]
            own = os.fstat(self._file.fileno()).st_ino if self._file else None
            if own is not None and own not in numbers:
                self._splitter = Splitter()
                self._note_gap()
            following = numbers.index(own) + 1 if own in numbers else 0
            self._held.close()
            self._file = files[following] if following < len(files) else None
            self._held = opened.pop_all()
        return self._read_bytes()


def _open_all(path: Path, opened: ExitStack) -> list[IO[bytes]]:
    """Open the files of a log, oldest first."""
    files: dict[int, IO[bytes]] = {}
    for candidate in rotated(path):
        try:
            file = opened.enter_context(candidate.open("rb"))
        except FileNotFoundError:
            continue
        files.setdefault(os.fstat(file.fileno()).st_ino, file)
    return [*reversed(files.values())]
