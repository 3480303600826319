"""Removes unneeded sources and images.

Callers list what they need; krane adds what its deployments, running tasks and running builds use. This module measures
how long something has been unneeded, across calls and with a monotonic clock. A repeated upload is a new file and
starts from zero.
"""

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from services.krane.backends.building.sources import SourceStore
from services.krane.backends.building.stored import Stored
from services.telemetry import get_logger

log = get_logger(__name__)


class ImageStore(Protocol):
    """The images that one backend built."""

    def names(self, references: Iterable[str]) -> set[str]:
        """Return the references, and the names of the images that they imply. Raises Invalid for any other text."""
        ...

    async def stored(self) -> list[Stored]:
        """Return every image, including those of failed builds."""
        ...

    async def remove(self, reference: str, is_needed: Callable[[], bool]) -> bool:
        """Remove an image unless `is_needed` says otherwise at the last moment; returns whether it is gone."""
        ...


class Pruner:
    """Prunes the sources and images of one installation, and remembers since when each is unneeded."""

    def __init__(
        self,
        sources: SourceStore,
        images: ImageStore,
        in_use: Callable[[], set[str]],
        trim_cache: Callable[[], Awaitable[None]],
    ) -> None:
        """`in_use` returns what krane itself needs now; `trim_cache` brings the build cache down to its size limit."""
        self._sources = sources
        self._images = images
        self._in_use = in_use
        self._trim_cache = trim_cache
        # By what is stored: time.monotonic() of the first call that found it unneeded.
        self._unneeded_since: dict[tuple[str, str], float] = {}

    async def prune(self, keep: Iterable[str], unneeded_seconds: float) -> list[str]:
        """Remove what every call of the last `unneeded_seconds` found unneeded; returns it, sorted. Raises Invalid."""
        kept = self._images.names(keep)
        stored = [*self._stored_sources(), *await self._images.stored()]
        needed = kept | self._used()
        unneeded = {(one.reference, one.incarnation): one for one in stored if needed.isdisjoint(one.names)}
        now = time.monotonic()
        self._unneeded_since = {key: self._unneeded_since.get(key, now) for key in unneeded}
        due = sorted(key for key, since in self._unneeded_since.items() if now - since >= unneeded_seconds)
        removed = [unneeded[key].reference for key in due if await self._remove(unneeded[key])]
        await self._trim_cache()
        return removed

    def _used(self) -> set[str]:
        return self._images.names(self._in_use())

    def _is_used(self, stored: Stored) -> bool:
        return not self._used().isdisjoint(stored.names)

    def _stored_sources(self) -> list[Stored]:
        return [
            Stored(reference, incarnation, frozenset([reference]))
            for reference, incarnation in self._sources.stored().items()
        ]

    async def _remove(self, stored: Stored) -> bool:
        if stored.reference.startswith("source@"):
            is_gone = not self._is_used(stored)
            if is_gone:
                self._sources.remove(stored.reference)
        else:
            is_gone = await self._images.remove(stored.reference, lambda: self._is_used(stored))
        if is_gone:
            log.info("removed unneeded", reference=stored.reference)
        return is_gone
