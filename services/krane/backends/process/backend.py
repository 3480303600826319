"""The process backend as a whole: opened once, on a data directory that no other krane uses."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.config import KraneSettings
from services.krane.backends.process.builds import Builds
from services.krane.backends.process.deployments import Deployments
from services.krane.backends.process.folders import HOLD_SECONDS, Folders
from services.krane.backends.process.pruning import Pruning
from services.krane.backends.process.sources import Sources
from services.krane.backends.process.supervised import SupervisedProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """What krane's services call."""

    deployments: Deployments
    sources: Sources
    builds: Builds
    pruning: Pruning


@asynccontextmanager
async def open_backend(data_dir: Path, settings: KraneSettings) -> AsyncGenerator[Backend]:
    """Take over what an earlier krane left; on the way out leave instances running. Raises Conflict if one is there."""
    folders = Folders.under(data_dir)
    with folders.hold():
        sources = Sources(folders.sources, settings.max_source_bytes)
        deployments, builds = Deployments(folders, settings), Builds(folders, sources, settings)
        pruning = Pruning(folders, deployments, builds)
        backend = Backend(deployments=deployments, sources=sources, builds=builds, pruning=pruning)
        try:
            sources.open()
            await backend.builds.open()
            await backend.deployments.open()
            yield backend
        finally:
            await backend.builds.close()
            await backend.deployments.close()


async def stop_all(data_dir: Path, *, timeout_seconds: float = HOLD_SECONDS) -> None:
    """End every process of every instance and build.

    For a machine that is to be left clean, once krane has ended; raises Conflict when it still runs after the timeout.
    What is wanted stays written down: the next krane starts again what was running.
    """
    folders = Folders.under(data_dir)
    with folders.hold(timeout_seconds):
        await asyncio.gather(*(SupervisedProcess(folder).stop() for folder in folders.commands()))
