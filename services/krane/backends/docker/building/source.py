"""Reads what decides how to build a source: the names at its top, and the contents of a few files there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from services.domain.errors import Invalid
from services.krane.backends.building import app_config
from services.krane.backends.building.archive import checked_entries

DOCKERFILE = "Dockerfile"
DOCKERIGNORE = ".dockerignore"
REQUIREMENTS = "requirements.txt"
PYPROJECT = "pyproject.toml"
PACKAGE = "package.json"
# Usual modules of a Python web app, the most specific name first.
PYTHON_MODULES = ("asgi.py", "wsgi.py", "main.py", "app.py", "server.py")
READ = frozenset((*app_config.FILES, DOCKERFILE, DOCKERIGNORE, REQUIREMENTS, PYPROJECT, PACKAGE, *PYTHON_MODULES))
MAX_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The top level of a source tree."""

    # Names of files, folders and links.
    names: frozenset[str]
    # Contents of the files of `READ` that exist.
    files: Mapping[str, bytes]

    def text(self, name: str) -> str:
        """Return a file's content; empty if it does not exist."""
        return self.files.get(name, b"").decode(errors="replace")


def read_source(archive: Path, max_source_bytes: int) -> Source:
    """Read an archive. Raises Invalid if it is refused, or if a file that krane reads is a link or too large."""
    names: set[str] = set()
    files: dict[str, bytes] = {}
    for tar, entry in checked_entries(archive, max_source_bytes):
        name, *below = PurePosixPath(entry.name).parts or ("",)
        names.add(name)
        if below or name not in READ or entry.isdir():
            continue
        content = tar.extractfile(entry) if entry.isreg() and entry.size <= MAX_FILE_BYTES else None
        if content is None:
            raise Invalid(f"{name} cannot be read: make it a regular file of at most {MAX_FILE_BYTES} bytes")
        files[name] = content.read()
    return Source(names=frozenset(names), files=files)
