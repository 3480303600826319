"""Select what of a folder is sent.

Left out are names that no source needs, virtual environments, what .gitignore leaves out (unless git tracks it), then
what .dockerignore and .interlockignore leave out. The later file wins: a line `!dist` in .interlockignore brings back a
folder that .gitignore names. Also left out, with a remark, is what cannot be sent: sockets, pipes, and links
to the outside.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.cli.git import GitError, git, repository_of
from services.domain.ignoring import IgnoreRules, is_left_out, read_dockerignore, read_gitignore

SKIPPED = frozenset({".git", ".interlock", ".venv", "__pycache__", "node_modules"})
# They say how the source is built: a .dockerignore that names them keeps them out of the image only.
ALWAYS_SENT = frozenset({"Dockerfile", ".dockerignore", "interlock.toml", "Procfile"})
LARGE_BYTES = 10 * 1024 * 1024
LARGEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is sent: files, folders and links, sorted; and a remark for everything that cannot be sent."""

    root: Path
    paths: tuple[Path, ...]
    # Bytes by path, of regular files.
    sizes: dict[Path, int]
    remarks: tuple[str, ...]

    @property
    def total_bytes(self) -> int:
        """Size of all files."""
        return sum(self.sizes.values())

    def largest(self) -> str:
        """Name the largest files with their sizes."""
        found = sorted(self.sizes, key=lambda path: (-self.sizes[path], path))[:LARGEST]
        return ", ".join(f"{path.relative_to(self.root)} ({readable_bytes(self.sizes[path])})" for path in found)

    def summary(self) -> str:
        """Say how much is sent; with the largest files if it is large."""
        number = len(self.sizes)
        text = f"{number} {'file' if number == 1 else 'files'}, {readable_bytes(self.total_bytes)}"
        return f"{text}; largest: {self.largest()}" if self.total_bytes > LARGE_BYTES else text


def readable_bytes(count: int) -> str:
    """Return a size in bytes, KiB or MiB."""
    if count < 1024:
        return f"{count} bytes"
    return f"{count / 1024:.0f} KiB" if count < 1024 * 1024 else f"{count / 1024 / 1024:.1f} MiB"


def select(folder: Path) -> Selection:
    """Select what of `folder` is sent; raises Invalid if .dockerignore cannot be read."""
    root = folder.resolve()
    walk = _Walk(root)
    found = sorted(walk.walk(root, walk.outer_rules()))
    sizes = {folder / name: size for name, size in walk.sizes.items()}
    return Selection(
        root=folder, paths=tuple(folder / name for name in found), sizes=sizes, remarks=tuple(sorted(walk.remarks))
    )


class _Walk:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._repository = repository_of(root)
        self._tracked = _tracked(root) if self._repository else frozenset[Path]()
        self._own = [
            *(read_dockerignore(root, text) for text in _texts(root / ".dockerignore")),
            *(read_gitignore(root, text) for text in _texts(root / ".interlockignore")),
        ]
        self._has_exceptions = any(rules.has_exceptions for rules in self._own)
        # Bytes by path below the root, of the files found so far.
        self.sizes: dict[Path, int] = {}
        self.remarks: list[str] = []

    def outer_rules(self) -> list[IgnoreRules]:
        """Return git's rules from outside of the folder; none if they leave out the folder itself, which was named."""
        top = self._repository
        if top is None:
            return []
        rules = [read_gitignore(top, text) for path in _excludes(top) for text in _texts(path)]
        between = [parent for parent in reversed(self._root.parents) if parent.is_relative_to(top)]
        rules += [read_gitignore(parent, text) for parent in between for text in _texts(parent / ".gitignore")]
        is_left_out_itself = any(
            is_left_out([one for one in rules if one.base in path.parents], path, is_folder=True)
            for path in (*between, self._root)
        )
        return [] if is_left_out_itself else rules

    def walk(self, folder: Path, rules: Sequence[IgnoreRules]) -> Iterator[Path]:
        """Yield what is sent, relative to the root; sizes and remarks are collected beside it."""
        rules = [*rules, *(read_gitignore(folder, text) for text in _texts(folder / ".gitignore"))]
        for entry in os.scandir(folder):
            path = folder / entry.name
            if entry.name in SKIPPED:
                continue
            is_folder = entry.is_dir(follow_symlinks=False)
            is_ignored = self._is_ignored(path, rules, is_folder=is_folder)
            if is_folder:
                yield from self._walk_folder(path, rules, is_ignored=is_ignored)
            elif not is_ignored and self._can_be_sent(path, entry):
                name = path.relative_to(self._root)
                if not entry.is_symlink():
                    self.sizes[name] = entry.stat(follow_symlinks=False).st_size
                yield name

    def _walk_folder(self, path: Path, rules: Sequence[IgnoreRules], *, is_ignored: bool) -> Iterator[Path]:
        if (path / "pyvenv.cfg").exists():
            return
        if is_ignored and not self._has_exceptions and path not in self._tracked:
            return
        inside = list(self.walk(path, rules))
        if inside or not is_ignored:
            yield path.relative_to(self._root)
            yield from inside

    def _is_ignored(self, path: Path, rules: Sequence[IgnoreRules], *, is_folder: bool) -> bool:
        by_git = path not in self._tracked and is_left_out(rules, path, is_folder=is_folder)
        if path.parent == self._root and path.name in ALWAYS_SENT:
            return bool(by_git)
        own = is_left_out(self._own, path, is_folder=is_folder)
        return bool(by_git) if own is None else own

    def _can_be_sent(self, path: Path, entry: os.DirEntry[str]) -> bool:
        if entry.is_symlink():
            problem = "" if leads_inside(self._root, path) else f"a link to {path.readlink()}, outside of the folder"
        else:
            problem = "" if entry.is_file(follow_symlinks=False) else "neither a file nor a folder nor a link"
        if problem:
            self.remarks.append(f"not sent: {path.relative_to(self._root)}, {problem}")
        return not problem


def leads_inside(root: Path, link: Path) -> bool:
    """Whether a link is relative and leads to a path in `root`, which is resolved. It may dangle."""
    target = link.readlink()
    if target.is_absolute():
        return False
    try:
        return (link.parent / target).resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def _tracked(root: Path) -> frozenset[Path]:
    """Return what git tracks in `root`, with all folders on the way; nothing if git fails, which `revision_of` says."""
    try:
        names = git(root, "ls-files", "-z", "--cached", "--", ".").split("\0")
    except GitError:
        return frozenset()
    files = {root / name for name in names if name}
    return frozenset(files | {parent for file in files for parent in file.parents if parent.is_relative_to(root)})


def _excludes(repository: Path) -> list[Path]:
    """Return the files with the user's own patterns: for all repositories, then for this one."""
    try:
        own = repository / git(repository, "rev-parse", "--git-path", "info/exclude").strip()
    except GitError:
        return []
    try:
        shared = Path(git(repository, "config", "--type=path", "core.excludesFile").strip())
    except GitError:
        home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        shared = Path(home) / "git" / "ignore"
    return [shared, own]


def _texts(path: Path) -> list[str]:
    """Return the text of a file, as a list of one; empty if there is none."""
    try:
        return [path.read_text(encoding="utf-8-sig", errors="surrogateescape")] if path.is_file() else []
    except OSError:
        return []
