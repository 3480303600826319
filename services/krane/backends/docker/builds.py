"""Stands where builds of the docker backend will be: it refuses to build, and so has nothing to prune."""

from collections.abc import Iterable

from services.domain.errors import NotFound, PreconditionFailed
from services.krane.checks import check_id
from services.krane.types import BuildPriority, BuildState


class NoBuilds:
    """Refuses builds."""

    async def start(self, namespace: str, build_id: str, source: str, priority: BuildPriority) -> None:
        """Raise PreconditionFailed."""
        check_id("namespace", namespace)
        check_id("build_id", build_id)
        raise PreconditionFailed("the docker backend cannot build from source yet; deploy an image")

    def get(self, namespace: str, build_id: str, tail_lines: int) -> BuildState:
        """Raise NotFound."""
        check_id("namespace", namespace)
        raise NotFound(f"there is no build {check_id('build_id', build_id)} in {namespace}: deploy an image")

    async def cancel(self, namespace: str, build_id: str) -> None:
        """Succeed: nothing is there."""
        check_id("namespace", namespace)
        check_id("build_id", build_id)


class NoPruning:
    """Keeps everything."""

    async def prune(self, keep: Iterable[str], unneeded_seconds: float) -> list[str]:
        """Remove nothing."""
        return []
