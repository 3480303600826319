"""Reads what decides how to build a source: the names of its files, and the contents of a few."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from services.domain.errors import Invalid
from services.domain.plan import MAX_TEXT_BYTES, SourceFiles, is_read
from services.krane.backends.building import app_config
from services.krane.backends.building.archive import checked_entries
from services.krane.backends.docker.building.context import read_ignore

DOCKERFILE = "Dockerfile"
DOCKERIGNORE = ".dockerignore"
READ = frozenset((*app_config.FILES, DOCKERFILE, DOCKERIGNORE))
MAX_FILE_BYTES = 1024 * 1024
# Of every other file, which may be a pointer of Git LFS.
_BEGINNING_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The files of a source tree that decide how to build it."""

    # Input of the planner, without the files that .dockerignore excludes.
    plan_files: SourceFiles
    # Contents of the files of `READ` that exist, at the top level.
    files: Mapping[str, bytes]

    def text(self, name: str) -> str:
        """Return a file's content; empty if it does not exist."""
        return self.files.get(name, b"").decode(errors="replace")


def read_source(archive: Path, max_source_bytes: int) -> Source:
    """Read an archive. Raises Invalid if it is refused, or if a file that krane reads is a link or too large."""
    contents: dict[str, bytes] = {}
    for tar, entry in checked_entries(archive, max_source_bytes):
        name = str(PurePosixPath(entry.name))
        if entry.isdir():
            continue
        content = tar.extractfile(entry) if entry.isreg() else None
        if name in READ and (content is None or entry.size > MAX_FILE_BYTES):
            raise Invalid(f"{name} cannot be read: make it a regular file of at most {MAX_FILE_BYTES} bytes")
        size = MAX_TEXT_BYTES if name in READ or is_read(name) else _BEGINNING_BYTES
        contents[name] = content.read(size) if content else b""
    files = {name: contents[name] for name in READ & contents.keys()}
    ignored = read_ignore(files.get(DOCKERIGNORE, b"").decode(errors="replace"))
    names = [name for name in contents if name in READ or not ignored(PurePosixPath(name))]
    return Source(plan_files=SourceFiles.collect(names, contents.__getitem__), files=files)
