"""Which paths of a source are left out, by the patterns of .gitignore, .dockerignore and .interlockignore.

Pure: the caller reads the files.
"""

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from pathspec import GitIgnoreSpec, PathSpec
from pathspec.patterns.gitignore.basic import GitIgnoreBasicPattern
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from services.domain.errors import Invalid


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The patterns of one file. They apply to what is below `base`."""

    base: PurePath
    spec: PathSpec[Any]

    @property
    def has_exceptions(self) -> bool:
        """Whether a pattern brings back what another one leaves out."""
        return any(pattern.include is False for pattern in self.spec.patterns)

    def decide(self, path: PurePath, *, is_folder: bool) -> bool | None:
        """Whether the path is left out; None if no pattern matches it."""
        name = path.relative_to(self.base).as_posix()
        return self.spec.check_file(f"{name}/" if is_folder else name).include


def is_left_out(rules: Iterable[IgnoreRules], path: PurePath, *, is_folder: bool) -> bool | None:
    """Whether the rules leave the path out: the last rule that matches decides. None if none matches."""
    found: bool | None = None
    for one in rules:
        decided = one.decide(path, is_folder=is_folder)
        found = found if decided is None else decided
    return found


def read_gitignore(base: PurePath, text: str) -> IgnoreRules:
    """Read a .gitignore. Like git, it passes over lines that are no patterns."""
    patterns: list[GitIgnoreSpecPattern] = []
    for line in text.splitlines():
        try:
            patterns.append(GitIgnoreSpecPattern(line))
        except ValueError:
            continue
    return IgnoreRules(base, GitIgnoreSpec(patterns))


def read_dockerignore(base: PurePath, text: str) -> IgnoreRules:
    """Read a .dockerignore, whose patterns all begin at `base`; raises Invalid if a line is no pattern."""
    anchored = [pattern for line in text.splitlines() if (pattern := _anchored(line.strip()))]
    # A pattern that matches a folder matches what is below it too.
    patterns = [pattern for folder in anchored for pattern in (folder, f"{folder}/**")]
    try:
        return IgnoreRules(base, PathSpec.from_lines(GitIgnoreBasicPattern, patterns))
    except ValueError as error:
        raise Invalid(f".dockerignore cannot be read: {error}") from error


def _anchored(line: str) -> str:
    """Return a pattern of Docker as one of git; empty if the line has no pattern."""
    if not line or line.startswith("#"):
        return ""
    exception, pattern = ("!", line[1:].strip()) if line.startswith("!") else ("", line)
    path = posixpath.normpath(pattern).lstrip("/")
    return "" if path == "." else f"{exception}/{path}"
