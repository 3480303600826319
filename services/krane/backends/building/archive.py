"""Source archives (gzipped tar): nothing in one may reach outside of the folder that it is unpacked into.

An archive comes from outside. It may hold files, folders and links that stay inside; every entry is checked by its
name alone, before anything is written, so that no state of the disk can be used against the check:

- names are relative and have no "..";
- no name leads through a link, so every folder that is written to is a real one;
- a symbolic link goes up only at its beginning, and not above the top; a hard link names an earlier file;
- the bytes that come out of the compression, the declared sizes and the number of entries are capped.
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
# What describes one entry: names, and attributes that nobody needs here.
MAX_HEADER_BYTES = 1024 * 1024
# 1980-01-02, in seconds: a day later than the first of a zip, wherever the clock stands.
EARLIEST_TIME = 315_619_200
# An archive may unpack to so many times the allowed size of an upload.
UNPACKED_FACTOR = 5


def check_archive(archive: Path, max_source_bytes: int) -> None:
    """Raise Invalid unless the archive is one that `unpack` takes."""
    for _ in checked_entries(archive, max_source_bytes):
        pass


def checked_entries(archive: Path, max_source_bytes: int) -> Generator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Every entry, with the tar to read its content from before the next; raises Invalid at the first refused."""
    with _refusing_what_is_broken():
        yield from _entries(archive, max_source_bytes * UNPACKED_FACTOR)


def unpack(archive: Path, folder: Path, max_source_bytes: int) -> None:
    """Unpack into a fresh folder, or raise Invalid naming the first entry that is refused."""
    folder.mkdir(parents=True)
    with _refusing_what_is_broken():
        for tar, entry in checked_entries(archive, max_source_bytes):
            # What is packed without times is of 1970, which no zip can hold: many builds make one.
            entry.mtime = max(entry.mtime, EARLIEST_TIME)
            # The filter also drops owners and set-id bits, and looks at links once more.
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
    """A stream that refuses to be longer than it may be, as a whole and, since tarfile reads long headers into memory,
    from one entry to the next."""

    def __init__(self, stream: gzip.GzipFile, max_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        # Headers and padding come on top of the contents: at most three blocks for most entries.
        self._left = max_bytes + MAX_ENTRIES * 3 * tarfile.BLOCKSIZE
        self._left_of_entry = MAX_HEADER_BYTES

    def begin_entry(self, size: int) -> None:
        """Allow for the content of an entry and the headers of the next."""
        self._left_of_entry = size + MAX_HEADER_BYTES

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        self._left_of_entry -= len(data)
        if min(self._left, self._left_of_entry) < 0:
            raise _too_large(self._max_bytes)
        return data


class _EntryChecker:
    """Judges entries in the order of the archive."""

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
                raise _refused(entry, "is a hard link to something that is not an earlier file of the archive")
        elif entry.isreg():
            self._files.add(path)
        elif not entry.isdir():
            raise _refused(entry, "is neither a file, a folder nor a link")

    def _count(self, entry: tarfile.TarInfo) -> None:
        self._entries += 1
        self._bytes += entry.size
        if self._entries > MAX_ENTRIES:
            raise Invalid(f"the source holds more than {MAX_ENTRIES} files: leave out what is not needed to run")
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
    return Invalid(f"the source unpacks to more than {max_bytes} bytes: leave out what is not needed to run")
