"""What every backend consists of, put together from the parts that are its own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from services.config import KraneSettings
from services.krane.backend import Backend
from services.krane.backends.building.builder import Builder
from services.krane.backends.building.builds import Builds
from services.krane.backends.building.pruning import Images, Pruning
from services.krane.backends.building.sources import Sources
from services.krane.backends.git.fetcher import GitFetcher
from services.krane.backends.hosted.deployments import Deployments
from services.krane.backends.hosted.driver import Driver
from services.krane.backends.hosted.log_following import LogFollowing
from services.krane.backends.hosted.tasks import TaskDriver, Tasks
from services.krane.backends.shared.folders import Folders


@asynccontextmanager
async def assembled(
    folders: Folders,
    settings: KraneSettings,
    *,
    driver: Driver,
    task_driver: TaskDriver,
    builder: Builder,
    images: Images,
) -> AsyncGenerator[Backend]:
    """Take over what an earlier krane left; on the way out leave instances running."""
    sources = Sources(folders.sources, settings.max_source_bytes)
    deployments, tasks = Deployments(driver), Tasks(folders, task_driver, driver)
    fetcher = GitFetcher(settings, folders.known_hosts)
    builds = Builds(folders, sources, fetcher, builder, settings)
    try:
        sources.open()
        await builds.open()
        await tasks.open()
        await deployments.open()
        yield Backend(
            deployments=deployments,
            tasks=tasks,
            logs=LogFollowing(deployments, tasks, builds, folders),
            sources=sources,
            builds=builds,
            pruning=Pruning(
                sources,
                images,
                in_use=lambda: deployments.images() | tasks.images() | builds.in_use(),
                trim_cache=builds.trim_cache,
            ),
        )
    finally:
        await builds.close()
        await tasks.close()
        await deployments.close()
