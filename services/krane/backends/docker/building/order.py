"""What a builder of the engine is asked to make."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Protocol

from services.krane.backends.docker.building.context import Ignored, in_background, pack_context
from services.krane.backends.shared.builder import BuildWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One image to be built."""

    work: BuildWork
    # The author's Dockerfile, or the one that krane wrote.
    dockerfile: str
    has_own_dockerfile: bool
    ignored: Ignored
    max_source_bytes: int
    tag: str
    # What the image says of itself; no value has a single quote, or more than a line.
    labels: Mapping[str, str]

    def context(self, added: Mapping[str, str]) -> AsyncGenerator[bytes]:
        """The source as the engine gets it, with files at its top that the builder adds or replaces."""
        return in_background(pack_context(self.work.archive, self.max_source_bytes, self.ignored, added))


class EngineBuilder(Protocol):
    """One of the two builders that an engine may have."""

    async def build(self, order: Order) -> None:
        """Build and tag an image; when that fails or is cancelled, nothing is left.

        Raises PreconditionFailed with one sentence on what to correct, Unavailable when it may work later.
        """
        ...
