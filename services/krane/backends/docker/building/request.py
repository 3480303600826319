"""What a builder of the engine is asked to make."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Protocol

from services.krane.backends.building.builder import BuildWork
from services.krane.backends.docker.building.context import Ignored, in_background, pack_context
from services.krane.backends.docker.building.tree import Tree, read_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """One image to be built."""

    work: BuildWork
    # The author's Dockerfile, or the one that krane wrote.
    dockerfile: str
    ignored: Ignored
    max_source_bytes: int
    tag: str
    # What the image says of itself; no value has a single quote, or more than a line.
    labels: Mapping[str, str]

    def context(self, added: Mapping[str, str]) -> AsyncGenerator[bytes]:
        """The source as the classic builder gets it, with files at its top that the builder adds or replaces."""
        return in_background(pack_context(self.work.archive, self.max_source_bytes, self.ignored, added))

    def tree(self) -> Tree:
        """The source as BuildKit gets it. Whoever has it closes it."""
        return read_tree(self.work.archive, self.max_source_bytes, self.ignored, self.work.folder.parent)


class EngineBuilder(Protocol):
    """One of the two builders that an engine may have."""

    async def build(self, request: BuildRequest) -> str:
        """Build and tag an image, and return its id, or nothing where the builder does not say.

        When that fails or is cancelled, nothing is left.

        Raises PreconditionFailed with one sentence on what to correct, Unavailable when it may work later.
        """
        ...
