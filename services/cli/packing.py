"""Pack source folders as gzipped tars.

The same files give the same bytes: entries are sorted and carry no owner, time or umask.
"""

import gzip
import os
import tarfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO

from services.domain.errors import Invalid

SKIPPED = frozenset({".git", ".venv", "__pycache__", "node_modules"})
MAX_BYTES = 200 * 1024 * 1024
CHUNK_BYTES = 256 * 1024
# First bytes of every gzip file.
GZIP = b"\x1f\x8b"


def pack(root: Path, target: IO[bytes]) -> None:
    """Write the archive of `root`; raises Invalid if it is too large, or has special files or links to the outside."""
    files = sorted(source_paths(root))
    size = sum(path.lstat().st_size for path in files if path.is_file() and not path.is_symlink())
    if size > MAX_BYTES:
        raise Invalid(f"{root} holds {size >> 20} MiB, the limit is {MAX_BYTES >> 20} MiB: move data files elsewhere")
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in files:
            _add(archive, root, path)


def copy_archive(source: IO[bytes], target: IO[bytes]) -> None:
    """Copy a tar, gzipped if it is not yet; raises Invalid if it is too large. krane checks its entries."""
    first = source.read(len(GZIP))
    with (
        nullcontext(target) if first == GZIP else gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0)
    ) as stream:
        size, chunk = 0, first
        while chunk:
            size += len(chunk)
            if size > MAX_BYTES:
                raise Invalid(f"the tar is larger than the limit of {MAX_BYTES >> 20} MiB: leave data files out")
            stream.write(chunk)
            chunk = source.read(CHUNK_BYTES)


def source_paths(folder: Path) -> Iterator[Path]:
    """What of a folder is sent: files, folders and links, in no order."""
    for path in folder.iterdir():
        if path.name in SKIPPED:
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from source_paths(path)


def _add(archive: tarfile.TarFile, root: Path, path: Path) -> None:
    entry = tarfile.TarInfo(path.relative_to(root).as_posix())
    if path.is_symlink():
        entry.type = tarfile.SYMTYPE
        entry.linkname = _inner_target(root, path)
        archive.addfile(entry)
    elif path.is_dir():
        entry.type = tarfile.DIRTYPE
        entry.mode = 0o755
        archive.addfile(entry)
    elif path.is_file():
        with path.open("rb") as content:
            status = os.fstat(content.fileno())
            entry.size = status.st_size
            entry.mode = 0o755 if status.st_mode & 0o100 else 0o644
            archive.addfile(entry, content)
    else:
        raise Invalid(f"{path} is not a file, folder or link: remove it to deploy {root}")


def _inner_target(root: Path, link: Path) -> str:
    target = link.readlink()
    inside = root.resolve()
    if target.is_absolute() or not (link.parent.resolve() / target).resolve().is_relative_to(inside):
        raise Invalid(f"{link} points to {target}, outside of {root}: remove it or link to a path inside")
    return str(target)
