"""The docker backend as a whole, on folders that no other krane uses."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from services.config import KraneSettings
from services.krane.backend import Backend
from services.krane.backends.docker.archived_logs import ArchivedLogs
from services.krane.backends.docker.building.builder import DockerBuilder
from services.krane.backends.docker.building.images import BuiltImages
from services.krane.backends.docker.containers import INSTANCE_ID, TASK_ID, Containers, read_record
from services.krane.backends.docker.driver import DockerDriver, grace_of
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.shapes import ContainerSummary
from services.krane.backends.docker.tasks import DockerTasks
from services.krane.backends.docker.watcher import Watcher
from services.krane.backends.hosted.assembly import assembled
from services.krane.backends.shared.folders import Folders


@asynccontextmanager
async def open_docker(folders: Folders, settings: KraneSettings) -> AsyncGenerator[Backend]:
    """Take over the containers there are; on the way out leave them running. Raises Unavailable without an engine."""
    engine = Engine(settings.docker_socket)
    containers = Containers(engine, folders)
    watcher = Watcher(engine, containers)
    images = BuiltImages(engine, containers)
    archived_logs = ArchivedLogs(engine, containers, folders)
    driver = DockerDriver(
        engine=engine,
        containers=containers,
        archived_logs=archived_logs,
        watcher=watcher,
        folders=folders,
        settings=settings,
    )
    try:
        watcher.open()
        async with assembled(
            folders,
            settings,
            driver=driver,
            task_driver=DockerTasks(engine, containers, archived_logs, watcher, settings),
            builder=DockerBuilder(engine, images, settings),
            images=images,
        ) as backend:
            yield backend
    finally:
        await watcher.close()
        await engine.close()


async def stop_docker(folders: Folders, settings: KraneSettings) -> None:
    """End every container that runs. What is wanted stays in their names."""
    engine = Engine(settings.docker_socket)
    containers = Containers(engine, folders)
    try:
        running = [one for one in await containers.all() if one.state == "running"]
        graces = {one.labels[INSTANCE_ID]: _grace(one, settings) for one in running}
        await asyncio.gather(*(containers.halt(instance_id, grace) for instance_id, grace in graces.items()))
    finally:
        await engine.close()


def _grace(container: ContainerSummary, settings: KraneSettings) -> float:
    record = None if TASK_ID in container.labels else read_record([container])
    return grace_of(record, settings) if record else settings.stop_grace_seconds


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
