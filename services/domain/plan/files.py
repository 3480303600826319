"""Input of the planner: the names of all files of a source, and the text of the few that matter."""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import PurePosixPath

MAX_TEXT_BYTES = 1024 * 1024

# Folders that never contain the app.
_IGNORED_FOLDERS = frozenset(
    {
        ".git",
        ".tox",
        ".venv",
        "__pycache__",
        "docs",
        "examples",
        "migrations",
        "node_modules",
        "site-packages",
        "spec",
        "test",
        "tests",
        "venv",
    }
)
_TOP = frozenset(
    {
        ".gitattributes",
        ".gitmodules",
        ".node-version",
        ".nvmrc",
        ".python-version",
        ".tool-versions",
        ".yarnrc.yml",
        "Dockerfile",
        "Pipfile",
        "Pipfile.lock",
        "Procfile",
        "Staticfile",
        "angular.json",
        "interlock.toml",
        "package.json",
        "poetry.lock",
        "pylock.toml",
        "pyproject.toml",
        "runtime.txt",
        "setup.cfg",
        "uv.lock",
        "yarn.lock",
    }
)
# Python files in subfolders that may define the app, or name its module.
_PYTHON_BELOW = frozenset(
    {
        "__init__.py",
        "__main__.py",
        "api.py",
        "app.py",
        "application.py",
        "asgi.py",
        "main.py",
        "manage.py",
        "run.py",
        "server.py",
        "settings.py",
        "web.py",
        "wsgi.py",
    }
)
_JAVASCRIPT_TOP = re.compile(r"[^/]+\.(?:[cm]?js|ts)")
_JAVASCRIPT_BELOW = re.compile(r"src/(?:app|index|main|server)\.(?:[cm]?js|ts)")
_REQUIREMENTS = re.compile(r"(?:[^/]*requirements[^/]*|requirements/[^/]+|requirements/[^/]+/[^/]+)\.(?:txt|in)")
_MAX_DEPTH = 6
_LFS_ATTRIBUTE = re.compile(r"^\s*(?P<pattern>[^#\s]\S*)\s.*\bfilter=lfs\b", re.MULTILINE)
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
# Either all files of Git LFS were fetched, or none: a few of them tell.
_MAX_LFS_FILES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFiles:
    """The names of all files of a source (relative, with "/"), and the text of those that `is_read` accepts."""

    names: frozenset[str]
    texts: Mapping[str, str]
    # A few of the files of which only the pointer of Git LFS is there.
    lfs_pointers: tuple[str, ...] = ()

    @classmethod
    def collect(cls, names: Iterable[str], read: Callable[[str], bytes]) -> "SourceFiles":
        """Read the files that matter, at most `MAX_TEXT_BYTES` of each."""
        known = frozenset(names)
        texts = {name: _decode(read(name)[:MAX_TEXT_BYTES]) for name in sorted(known) if is_read(name)}
        tracked = islice(_lfs_files(known, texts.get(".gitattributes", "")), _MAX_LFS_FILES)
        pointers = tuple(name for name in tracked if read(name).startswith(_LFS_POINTER))
        return cls(names=known, texts=texts, lfs_pointers=pointers)

    def text(self, name: str) -> str:
        """The text of a file; empty if it does not exist or was not read."""
        return self.texts.get(name, "")

    def first(self, names: Iterable[str]) -> str:
        """The first of these files that exists; empty if none does."""
        return next((name for name in names if name in self.names), "")

    def has_folder(self, folder: str) -> bool:
        """Whether the source has this folder."""
        return any(name.startswith(f"{folder}/") for name in self.names)

    def python_files(self) -> list[str]:
        """The Python files that were read, those in the top folder first."""
        return sorted((name for name in self.texts if name.endswith(".py")), key=lambda name: (name.count("/"), name))


def is_read(name: str) -> bool:
    """Whether the planner reads the text of this file."""
    path = PurePosixPath(name)
    if len(path.parts) > _MAX_DEPTH or not _IGNORED_FOLDERS.isdisjoint(path.parts[:-1]):
        return False
    if len(path.parts) == 1 and (name in _TOP or path.suffix == ".py" or _JAVASCRIPT_TOP.fullmatch(name)):
        return True
    is_python = path.name in _PYTHON_BELOW or (path.suffix == ".py" and path.parent.name == "settings")
    return is_python or bool(_JAVASCRIPT_BELOW.fullmatch(name) or _REQUIREMENTS.fullmatch(name))


def _lfs_files(names: Iterable[str], attributes: str) -> Iterator[str]:
    """The files that Git LFS keeps, by the .gitattributes of the top folder."""
    patterns = [match["pattern"].removeprefix("/") for match in _LFS_ATTRIBUTE.finditer(attributes)]
    if not patterns:
        return
    for name in sorted(names):
        last = name.rpartition("/")[2]
        if any(fnmatchcase(name if "/" in pattern else last, pattern) for pattern in patterns):
            yield name


def _decode(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    return content.decode("utf-8-sig", errors="replace")
