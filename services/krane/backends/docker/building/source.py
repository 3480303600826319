"""What of a source matters to how it is built: the names at its top, and the contents of a few files there."""

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
# Where a Python web app usually is, the most telling name first.
PYTHON_MODULES = ("asgi.py", "wsgi.py", "main.py", "app.py", "server.py")
READ = frozenset((*app_config.FILES, DOCKERFILE, DOCKERIGNORE, REQUIREMENTS, PYPROJECT, PACKAGE, *PYTHON_MODULES))
MAX_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The top of a source tree."""

    # Of files, folders and links.
    names: frozenset[str]
    # Of those of `READ` that there are.
    files: Mapping[str, bytes]

    def text(self, name: str) -> str:
        """A file's content; empty when it is not there."""
        return self.files.get(name, b"").decode(errors="replace")


def read_source(archive: Path, max_source_bytes: int) -> Source:
    """Read an archive. Raises Invalid when it is refused, or when a file that matters is a link or too large."""
    names: set[str] = set()
    files: dict[str, bytes] = {}
    for tar, entry in checked_entries(archive, max_source_bytes):
        name, *below = PurePosixPath(entry.name).parts or ("",)
        names.add(name)
        if below or name not in READ or entry.isdir():
            continue
        content = tar.extractfile(entry) if entry.isreg() and entry.size <= MAX_FILE_BYTES else None
        if content is None:
            raise Invalid(f"{name} cannot be read: make it a file of at most {MAX_FILE_BYTES} bytes, and no link")
        files[name] = content.read()
    return Source(names=frozenset(names), files=files)
