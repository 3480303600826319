"""Pack source folders as gzipped tars.

The same files give the same bytes: entries are sorted and carry no owner, time or umask.
"""

import gzip
import os
import tarfile
from contextlib import nullcontext
from pathlib import Path
from typing import IO

from services.cli.selecting import Selection
from services.domain.errors import Invalid

MAX_BYTES = 200 * 1024 * 1024
CHUNK_BYTES = 256 * 1024
# First bytes of every gzip file.
GZIP = b"\x1f\x8b"


def pack(selection: Selection, target: IO[bytes]) -> None:
    """Write the archive of what was selected; raises Invalid if it is too large."""
    size = selection.total_bytes
    if size > MAX_BYTES:
        raise Invalid(
            f"{selection.root} holds {size >> 20} MiB, the limit is {MAX_BYTES >> 20} MiB: leave files out with a "
            f".interlockignore; largest: {selection.largest()}"
        )
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in selection.paths:
            _add(archive, selection.root, path)


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


def _add(archive: tarfile.TarFile, root: Path, path: Path) -> None:
    entry = tarfile.TarInfo(path.relative_to(root).as_posix())
    if path.is_symlink():
        entry.type = tarfile.SYMTYPE
        entry.linkname = str(path.readlink())
        archive.addfile(entry)
    elif path.is_dir():
        entry.type = tarfile.DIRTYPE
        entry.mode = 0o755
        archive.addfile(entry)
    else:
        with path.open("rb") as content:
            status = os.fstat(content.fileno())
            entry.size = status.st_size
            entry.mode = 0o755 if status.st_mode & 0o100 else 0o644
            archive.addfile(entry, content)
