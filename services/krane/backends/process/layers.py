"""Keeps what earlier builds installed, keyed by everything that determines it: an unchanged lock installs nothing.

A layer is a copy, not a link: one image must not change another. Layers are in the installers' cache and are removed
with it.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

from services.domain.plan import Step
from services.krane.backends.shared.files import remove_tree

# Increment it when layers are made in another way.
_LAYERS = "layers-1"


class Layer:
    """The result of the first steps of a plan, which depend on few files."""

    def __init__(self, cache: Path, key: str) -> None:
        self._folder = cache / _LAYERS / key

    @classmethod
    def of(cls, cache: Path, steps: Sequence[Step], app: Path, tools: Sequence[str]) -> "Layer":
        """Return the layer of steps that name the files they need. `tools` are the versions of the tools they use."""
        said = [(step.arguments, step.input, [_digest(app / name) for name in step.needs or ()]) for step in steps]
        return cls(cache, hashlib.sha256(json.dumps([said, list(tools)]).encode()).hexdigest())

    def restore(self, *folders: Path) -> bool:
        """Copy the kept folders into place; returns whether there were any."""
        if not self._folder.exists():
            return False
        for folder in folders:
            remove_tree(folder)
            if (kept := self._folder / folder.name).exists():
                shutil.copytree(kept, folder, symlinks=True)
        return True

    def keep(self, *folders: Path) -> None:
        """Keep copies of the folders."""
        aside = self._folder.with_name(f".{uuid.uuid4().hex}")
        for folder in folders:
            if folder.exists():
                shutil.copytree(folder, aside / folder.name, symlinks=True)
        aside.mkdir(parents=True, exist_ok=True)
        try:
            aside.rename(self._folder)
        except OSError:
            # Another build of the same lock was faster.
            remove_tree(aside)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
