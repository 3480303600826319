"""The process backend as a whole, on folders that no other krane uses."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from services.config import KraneSettings
from services.krane.backends.backend import Backend
from services.krane.backends.process.artifacts import Artifacts
from services.krane.backends.process.builder import ProcessBuilder
from services.krane.backends.process.driver import ProcessDriver
from services.krane.backends.process.supervised import SupervisedProcess
from services.krane.backends.shared.builds import Builds
from services.krane.backends.shared.deployments import Deployments
from services.krane.backends.shared.folders import Folders
from services.krane.backends.shared.log_following import LogFollowing
from services.krane.backends.shared.pruning import Pruning
from services.krane.backends.shared.sources import Sources


@asynccontextmanager
async def open_processes(folders: Folders, settings: KraneSettings) -> AsyncGenerator[Backend]:
    """Take over what an earlier krane left; on the way out leave instances running."""
    sources = Sources(folders.sources, settings.max_source_bytes)
    deployments = Deployments(ProcessDriver(folders, settings))
    artifacts = Artifacts(folders.artifacts)
    builds = Builds(folders, sources, ProcessBuilder(artifacts, folders.cache, settings), settings)
    try:
        sources.open()
        await builds.open()
        await deployments.open()
        yield Backend(
            deployments=deployments,
            logs=LogFollowing(deployments, builds, folders),
            sources=sources,
            builds=builds,
            pruning=Pruning(sources, artifacts, deployments, builds),
        )
    finally:
        await builds.close()
        await deployments.close()


async def stop_processes(folders: Folders) -> None:
    """End every process of every instance and build. What is wanted stays written down."""
    await asyncio.gather(*(SupervisedProcess(folder).stop() for folder in folders.commands()))
