"""The source as the planner sees it: all names, and the text of the few files that matter."""

import codecs
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

MAX_TEXT_BYTES = 1024 * 1024

# Folders that hold no app of this source.
_FOREIGN = frozenset(
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
# Python files below the top that may hold an app, or tell where it is.
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
    """The names of all files of a source, relative and with "/", and the text of those that `is_read` names."""

    names: frozenset[str]
    texts: Mapping[str, str]

    @classmethod
    def collect(cls, names: Iterable[str], read: Callable[[str], bytes]) -> "SourceFiles":
        """Read the files that matter; what `read` returns of a file is cut at `MAX_TEXT_BYTES`."""
        known = frozenset(names)
        texts = {name: _decode(read(name)[:MAX_TEXT_BYTES]) for name in sorted(known) if is_read(name)}
        return cls(names=known, texts=texts)

    def text(self, name: str) -> str:
        """The text of a file; empty when it is not there."""
        return self.texts.get(name, "")

    def first(self, names: Iterable[str]) -> str:
        """The first of these files that is there; empty when none is."""
        return next((name for name in names if name in self.names), "")

    def has_folder(self, folder: str) -> bool:
        """Whether a file lies below a folder."""
        return any(name.startswith(f"{folder}/") for name in self.names)

    def python_files(self) -> list[str]:
        """The Python files that were read, nearest to the top first."""
        return sorted((name for name in self.texts if name.endswith(".py")), key=lambda name: (name.count("/"), name))


def is_read(name: str) -> bool:
    """Whether the text of a file takes part in planning."""
    path = PurePosixPath(name)
    if len(path.parts) > _MAX_DEPTH or not _FOREIGN.isdisjoint(path.parts[:-1]):
        return False
    if len(path.parts) == 1 and (name in _TOP or path.suffix == ".py" or _JAVASCRIPT_TOP.fullmatch(name)):
        return True
    is_python = path.name in _PYTHON_BELOW or (path.suffix == ".py" and path.parent.name == "settings")
    return is_python or bool(_JAVASCRIPT_BELOW.fullmatch(name) or _REQUIREMENTS.fullmatch(name))


def _decode(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    return content.decode("utf-8-sig", errors="replace")
