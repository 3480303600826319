"""Checks and unpacks source archives (gzipped tar). No entry may write outside of the target folder.

An archive is untrusted. It may hold files, folders, and links that stay inside. The check looks only at the entries,
before anything is written, so nothing on the disk can influence it:

- names are relative and have no "..";
- no name leads through a link, so krane writes only into real folders;
- a symbolic link may begin with "..", but not lead above the top; a hard link names an earlier file of the archive;
- the unpacked bytes, the declared sizes and the number of entries are limited.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from services.domain.errors import Invalid

MAX_ENTRIES = 100_000
# Headers of one entry: names, and attributes that krane ignores.
MAX_HEADER_BYTES = 1024 * 1024
# 1980-01-02, in seconds: one day after the earliest time in a zip, so that it holds in every time zone.
EARLIEST_TIME = 315_619_200
# Largest unpacked size, as a multiple of the largest upload.
UNPACKED_FACTOR = 5


def check_archive(archive: Path, max_source_bytes: int) -> None:
    """Raise Invalid if `unpack` would refuse the archive."""
    for _ in checked_entries(archive, max_source_bytes):
        pass


def checked_entries(archive: Path, max_source_bytes: int) -> Generator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield each entry, with the tar to read it from before asking for the next. Raises Invalid if one is refused."""
    with _refusing_what_is_broken():
        yield from _entries(archive, max_source_bytes * UNPACKED_FACTOR)


def unpack(archive: Path, folder: Path, max_source_bytes: int) -> None:
    """Unpack into a new folder. Raises Invalid, naming the first entry that is refused."""
    folder.mkdir(parents=True)
    with _refusing_what_is_broken():
        for tar, entry in checked_entries(archive, max_source_bytes):
            # Many builds make a zip, which cannot hold times before 1980; entries without a time are from 1970.
            entry.mtime = max(entry.mtime, EARLIEST_TIME)
            # The filter also drops owners and set-id bits, and checks links once more.
            tar.extract(entry, folder, filter="data")


def _entries(archive: Path, max_bytes: int) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    checker = _EntryChecker(max_bytes)
    with gzip.open(archive) as plain:
        capped = _Capped(plain, max_bytes)
        with tarfile.open(fileobj=capped, mode="r|") as tar:
            for entry in tar:
                checker.check(entry)
                capped.begin_entry(entry.size)
                yield tar, entry


@contextmanager
def _refusing_what_is_broken() -> Generator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, UnicodeError, OSError) as error:
        raise Invalid(f"the source is not a gzipped tar that can be unpacked: {error}") from error


class _Capped(io.RawIOBase):
    """A stream with a limit for all bytes, and one for the bytes from one entry to the next, since tarfile reads long
    headers into memory."""

    def __init__(self, stream: gzip.GzipFile, max_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        # Headers and padding add at most three blocks to most entries.
        self._left = max_bytes + MAX_ENTRIES * 3 * tarfile.BLOCKSIZE
        self._left_of_entry = MAX_HEADER_BYTES

    def begin_entry(self, size: int) -> None:
        """Allow the content of an entry and the headers of the next."""
        self._left_of_entry = size + MAX_HEADER_BYTES

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        self._left_of_entry -= len(data)
        if min(self._left, self._left_of_entry) < 0:
            raise _too_large(self._max_bytes)
        return data


class _EntryChecker:
    """Checks entries in the order of the archive."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries = 0
        self._files: set[PurePosixPath] = set()
        self._links: set[PurePosixPath] = set()

    def check(self, entry: tarfile.TarInfo) -> None:
        self._count(entry)
        path = self._checked_path(entry)
        if entry.issym():
            _check_symbolic_link(entry, path)
            self._links.add(path)
        elif entry.islnk():
            if PurePosixPath(entry.linkname) not in self._files:
                raise _refused(entry, "is a hard link, but not to an earlier file of the archive")
        elif entry.isreg():
            self._files.add(path)
        elif not entry.isdir():
            raise _refused(entry, "is neither a file, a folder nor a link")

    def _count(self, entry: tarfile.TarInfo) -> None:
        self._entries += 1
        self._bytes += entry.size
        if self._entries > MAX_ENTRIES:
            raise Invalid(f"the source has more than {MAX_ENTRIES} files: leave out what the app does not need to run")
        if self._bytes > self._max_bytes:
            raise _too_large(self._max_bytes)

    def _checked_path(self, entry: tarfile.TarInfo) -> PurePosixPath:
        path = PurePosixPath(entry.name)
        if path.is_absolute() or ".." in path.parts or "\0" in entry.name:
            raise _refused(entry, "leads out of the archive")
        if any(step in self._links for step in (path, *path.parents)):
            raise _refused(entry, "leads through a link")
        return path


def _check_symbolic_link(entry: tarfile.TarInfo, path: PurePosixPath) -> None:
    target = PurePosixPath(entry.linkname)
    steps_up = [part == ".." for part in target.parts]
    goes_up_later = steps_up != sorted(steps_up, reverse=True)
    if target.is_absolute() or goes_up_later or sum(steps_up) > len(path.parts) - 1:
        raise _refused(entry, f"is a link to {entry.linkname[:120]!r}, which leads out of the archive")


def _refused(entry: tarfile.TarInfo, why: str) -> Invalid:
    return Invalid(f"the source is refused: {entry.name[:120]!r} {why}")


def _too_large(max_bytes: int) -> Invalid:
    return Invalid(f"the source unpacks to more than {max_bytes} bytes: leave out what the app does not need to run")
