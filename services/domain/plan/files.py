"""Input of the planner: the names of all files of a source, and the text of the few that matter."""

import codecs
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFiles:
    """The names of all files of a source (relative, with "/"), and the text of those that `is_read` accepts."""

    names: frozenset[str]
    texts: Mapping[str, str]

    @classmethod
    def collect(cls, names: Iterable[str], read: Callable[[str], bytes]) -> "SourceFiles":
        """Read the files that matter, at most `MAX_TEXT_BYTES` of each."""
        known = frozenset(names)
        texts = {name: _decode(read(name)[:MAX_TEXT_BYTES]) for name in sorted(known) if is_read(name)}
        return cls(names=known, texts=texts)

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


def _decode(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    return content.decode("utf-8-sig", errors="replace")
