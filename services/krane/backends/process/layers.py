"""What earlier builds installed, kept by all that it was made from: the same lock again installs nothing.

A layer is a copy, never a link: one image must not change under another. It lies in the cache of the installers, and
goes with it.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

from services.domain.plan import Step
from services.krane.backends.shared.files import remove_tree

# Counts up when a layer is made in another way.
_LAYERS = "layers-1"


class Layer:
    """The result of the first steps of a plan, which read few files."""

    def __init__(self, cache: Path, key: str) -> None:
        self._folder = cache / _LAYERS / key

    @classmethod
    def of(cls, cache: Path, steps: Sequence[Step], app: Path, tools: Sequence[str]) -> "Layer":
        """The layer of steps that say which files they need; `tools` are the versions of what runs them."""
        said = [(step.arguments, step.input, [_digest(app / name) for name in step.needs or ()]) for step in steps]
        return cls(cache, hashlib.sha256(json.dumps([said, list(tools)]).encode()).hexdigest())

    def restore(self, *folders: Path) -> bool:
        """Put the folders in place, and say whether they were kept."""
        if not self._folder.exists():
            return False
        for folder in folders:
            remove_tree(folder)
            if (kept := self._folder / folder.name).exists():
                shutil.copytree(kept, folder, symlinks=True)
        return True

    def keep(self, *folders: Path) -> None:
        """Keep the folders as they are now."""
        aside = self._folder.with_name(f".{uuid.uuid4().hex}")
        for folder in folders:
            if folder.exists():
                shutil.copytree(folder, aside / folder.name, symlinks=True)
        aside.mkdir(parents=True, exist_ok=True)
        try:
            aside.rename(self._folder)
        except OSError:
            # Another build of the same lock was first.
            remove_tree(aside)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
