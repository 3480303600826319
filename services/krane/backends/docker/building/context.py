"""Reads .dockerignore, and streams the source as a tar of its checked entries."""

import asyncio
import io
import tarfile
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from services.domain.errors import Invalid
from services.domain.ignoring import read_dockerignore
from services.krane.backends.building.archive import checked_entries

# A name that no source uses.
DOCKERFILE = ".interlock.dockerfile"
CHUNK_BYTES = 256 * 1024

Ignored = Callable[[PurePosixPath], bool]


def read_ignore(text: str) -> Ignored:
    """Parse a .dockerignore. Raises Invalid if a line is not a pattern."""
    rules = read_dockerignore(PurePosixPath(), text)
    return lambda path: bool(rules.decide(path, is_folder=False))


def pack_context(archive: Path, max_source_bytes: int, ignored: Ignored, added: Mapping[str, str]) -> Generator[bytes]:
    """Yield a source as a tar, in pieces. `added` are files at its top; they replace files of the same name.

    Raises Invalid if the archive is refused.
    """
    for name, text in added.items():
        content = text.encode()
        yield _header(_entry(name, len(content)))
        yield from _padded(iter([content]), len(content))
    for tar, entry in checked_entries(archive, max_source_bytes):
        path = PurePosixPath(entry.name)
        if ignored(path) or str(path) in (".", *added):
            continue
        yield _header(_plain(entry, path, ignored))
        if entry.isreg():
            yield from _padded(_content(tar, entry), entry.size)
    yield bytes(2 * tarfile.BLOCKSIZE)


async def in_background(pieces: Iterable[bytes]) -> AsyncGenerator[bytes]:
    """Yield pieces that a thread makes, joined into larger ones."""
    larger = _joined(pieces)
    while (chunk := await asyncio.to_thread(next, larger, None)) is not None:
        yield chunk


def _joined(pieces: Iterable[bytes]) -> Generator[bytes]:
    buffer = io.BytesIO()
    for piece in pieces:
        buffer.write(piece)
        if buffer.tell() >= CHUNK_BYTES:
            yield buffer.getvalue()
            buffer = io.BytesIO()
    yield buffer.getvalue()


def check_link(entry: tarfile.TarInfo, ignored: Ignored) -> None:
    """Raise Invalid for a hard link to an ignored file."""
    if entry.islnk() and ignored(PurePosixPath(entry.linkname)):
        path = PurePosixPath(entry.name)
        raise Invalid(f"{path} is a hard link to a file that .dockerignore leaves out: make it a file of its own")


def _plain(entry: tarfile.TarInfo, path: PurePosixPath, ignored: Ignored) -> tarfile.TarInfo:
    """Return an entry without owner, times and set-id bits, so that the same source gives the same layer."""
    check_link(entry, ignored)
    plain = _entry(str(path), entry.size if entry.isreg() else 0)
    plain.type, plain.linkname = (tarfile.REGTYPE if entry.isreg() else entry.type), entry.linkname
    plain.mode = entry.mode & 0o777
    return plain


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry


def _header(entry: tarfile.TarInfo) -> bytes:
    return entry.tobuf(tarfile.PAX_FORMAT)


def _content(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> Iterator[bytes]:
    content = tar.extractfile(entry)
    return iter(lambda: content.read(CHUNK_BYTES) if content else b"", b"")


def _padded(pieces: Iterator[bytes], size: int) -> Generator[bytes]:
    yield from pieces
    yield bytes(-size % tarfile.BLOCKSIZE)
