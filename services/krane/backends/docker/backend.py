"""The docker backend as a whole, on folders that no other krane uses."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from services.config import KraneSettings
from services.krane.backends.backend import Backend
from services.krane.backends.docker.building.builder import DockerBuilder
from services.krane.backends.docker.building.images import BuiltImages
from services.krane.backends.docker.containers import INSTANCE_ID, Containers
from services.krane.backends.docker.driver import DockerDriver
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.watcher import Watcher
from services.krane.backends.shared.builds import Builds
from services.krane.backends.shared.deployments import Deployments
from services.krane.backends.shared.folders import Folders
from services.krane.backends.shared.log_following import LogFollowing
from services.krane.backends.shared.pruning import Pruning
from services.krane.backends.shared.sources import Sources


@asynccontextmanager
async def open_docker(folders: Folders, settings: KraneSettings) -> AsyncGenerator[Backend]:
    """Take over the containers there are; on the way out leave them running. Raises Unavailable without an engine."""
    engine = Engine(settings.docker_socket)
    containers = Containers(engine, folders)
    watcher = Watcher(engine, containers)
    sources = Sources(folders.sources, settings.max_source_bytes)
    deployments = Deployments(
        DockerDriver(engine=engine, containers=containers, watcher=watcher, folders=folders, settings=settings)
    )
    images = BuiltImages(engine, containers)
    builds = Builds(folders, sources, DockerBuilder(engine, images, settings), settings)
    try:
        sources.open()
        watcher.open()
        await builds.open()
        await deployments.open()
        yield Backend(
            deployments=deployments,
            logs=LogFollowing(deployments, builds, folders),
            sources=sources,
            builds=builds,
            pruning=Pruning(sources, images, deployments, builds),
        )
    finally:
        await builds.close()
        await deployments.close()
        await watcher.close()
        await engine.close()


async def stop_docker(folders: Folders, settings: KraneSettings) -> None:
    """End every container that runs. What is wanted stays in their names."""
    engine = Engine(settings.docker_socket)
    containers = Containers(engine, folders)
    try:
        running = [one.labels[INSTANCE_ID] for one in await containers.all() if one.state == "running"]
        await asyncio.gather(*(containers.halt(instance_id, settings.stop_grace_seconds) for instance_id in running))
    finally:
        await engine.close()


async def remove_docker(folders: Folders, settings: KraneSettings) -> None:
    """Remove every container, and every image that was built."""
    engine = Engine(settings.docker_socket)
    containers = Containers(engine, folders)
    images = BuiltImages(engine, containers)
    try:
        for container in await containers.all():
            await engine.remove_container(container.id)
        for image in await images.stored():
            await images.remove(image.reference, lambda: False)
        await images.clear_all()
    finally:
        await engine.close()
