"""Source trees as gzipped tars. The same files give the same bytes: sorted, without owners, times or umask."""

import gzip
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from services.domain.errors import Invalid

SKIPPED = frozenset({".git", ".venv", "__pycache__", "node_modules"})
MAX_BYTES = 200 * 1024 * 1024


def pack(root: Path, target: IO[bytes]) -> None:
    """Write the archive of `root`; raises Invalid for too much, for special files, and for links that lead outside."""
    files = sorted(_walk(root))
    size = sum(path.lstat().st_size for path in files if path.is_file() and not path.is_symlink())
    if size > MAX_BYTES:
        raise Invalid(f"{root} holds {size >> 20} MiB; at most {MAX_BYTES >> 20} MiB can be deployed, leave data out")
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in files:
            _add(archive, root, path)


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in SKIPPED:
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


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
        raise Invalid(f"{path} is neither file, folder nor link; remove it to deploy {root}")


def _inner_target(root: Path, link: Path) -> str:
    target = link.readlink()
    inside = root.resolve()
    if target.is_absolute() or not (link.parent.resolve() / target).resolve().is_relative_to(inside):
        raise Invalid(f"{link} points to {target}, outside of {root}; only links that stay inside can be deployed")
    return str(target)
