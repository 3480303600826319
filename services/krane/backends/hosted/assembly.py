"""Assembles a hosted backend from the parts that each backend implements."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from services.config import KraneSettings
from services.krane.backend import Backend
from services.krane.backends.building.builder import Builder
from services.krane.backends.building.builds import SourceBuilds
from services.krane.backends.building.pruning import ImageStore, Pruner
from services.krane.backends.building.sources import SourceStore
from services.krane.backends.git.fetcher import GitFetcher
from services.krane.backends.hosted.deployments import HostedDeployments
from services.krane.backends.hosted.driver import Driver
from services.krane.backends.hosted.images import HostedImages
from services.krane.backends.hosted.logs import HostedLogs
from services.krane.backends.hosted.tasks import HostedTasks, TaskDriver
from services.krane.backends.hosted.volumes import HostedVolumes, VolumeStore
from services.krane.backends.shared.folders import Folders


@asynccontextmanager
async def assembled(
    folders: Folders,
    settings: KraneSettings,
    *,
    driver: Driver,
    task_driver: TaskDriver,
    builder: Builder,
    image_store: ImageStore,
    volume_store: VolumeStore,
) -> AsyncGenerator[Backend]:
    """Take over what an earlier krane left. On exit, leave instances running."""
    sources = SourceStore(folders.sources, settings.max_source_bytes)
    deployments, tasks = HostedDeployments(driver), HostedTasks(folders, task_driver, driver)
    fetcher = GitFetcher(settings, folders.known_hosts)
    builds = SourceBuilds(folders, sources, fetcher, builder, settings)
    pruner = Pruner(
        sources,
        image_store,
        in_use=lambda: deployments.images() | tasks.images() | builds.in_use(),
        trim_cache=builds.trim_cache,
    )
    try:
        sources.open()
        await builds.open()
        await tasks.open()
        await deployments.open()
        yield Backend(
            deployments=deployments,
            tasks=tasks,
            logs=HostedLogs(driver, deployments, tasks, builds, folders),
            images=HostedImages(driver, pruner),
            builds=builds,
            volumes=HostedVolumes(volume_store, deployments, tasks),
        )
    finally:
        await builds.close()
        await tasks.close()
        await deployments.close()
