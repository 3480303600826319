"""The input of a builder."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Protocol

from services.krane.backends.building.builder import BuildWork
from services.krane.backends.docker.building.context import Ignored, in_background, pack_context
from services.krane.backends.docker.building.tree import Tree, read_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """One image to build."""

    work: BuildWork
    # The author's Dockerfile, or the one that krane wrote.
    dockerfile: str
    ignored: Ignored
    max_source_bytes: int
    tag: str
    # Labels of the image. No value has a single quote or a line break.
    labels: Mapping[str, str]

    def context(self, added: Mapping[str, str]) -> AsyncGenerator[bytes]:
        """Yield the source for the classic builder, with files at its top that the builder adds or replaces."""
        return in_background(pack_context(self.work.archive, self.max_source_bytes, self.ignored, added))

    def tree(self) -> Tree:
        """Return the source for BuildKit. The caller closes it."""
        return read_tree(self.work.archive, self.max_source_bytes, self.ignored, self.work.folder.parent)


class EngineBuilder(Protocol):
    """One of the engine's two builders."""

    async def build(self, request: BuildRequest) -> str:
        """Build and tag an image; returns its id, or nothing if the builder does not tell.

        If this fails or is cancelled, nothing is left. Raises PreconditionFailed with one sentence on what to correct,
        Unavailable if a retry may succeed.
        """
        ...
