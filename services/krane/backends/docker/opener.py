"""Opens the docker backend on folders that no other krane uses."""

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
from services.krane.backends.docker.volumes import EngineVolumes
from services.krane.backends.docker.watcher import Watcher
from services.krane.backends.hosted.assembly import assembled
from services.krane.backends.shared.folders import Folders


class DockerOpener:
    """Implements `BackendOpener`. The engine keeps containers and images."""

    def __init__(self, folders: Folders, settings: KraneSettings) -> None:
        self._folders = folders
        self._settings = settings

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Backend]:
        async with self._engine() as engine:
            containers = Containers(engine, self._folders)
            watcher = Watcher(engine, containers)
            images = BuiltImages(engine, containers)
            archived_logs = ArchivedLogs(engine, containers, self._folders)
            driver = DockerDriver(
                engine=engine,
                containers=containers,
                archived_logs=archived_logs,
                watcher=watcher,
                folders=self._folders,
                settings=self._settings,
            )
            try:
                watcher.open()
                async with assembled(
                    self._folders,
                    self._settings,
                    driver=driver,
                    task_driver=DockerTasks(engine, containers, archived_logs, watcher, self._settings),
                    builder=DockerBuilder(engine, images, self._settings),
                    image_store=images,
                    volume_store=EngineVolumes(engine, containers),
                ) as backend:
                    yield backend
            finally:
                await watcher.close()

    async def stop_all(self) -> None:
        async with self._engine() as engine:
            await self._stop(Containers(engine, self._folders))

    async def remove_all(self) -> None:
        async with self._engine() as engine:
            containers = Containers(engine, self._folders)
            await self._stop(containers)
            images = BuiltImages(engine, containers)
            for container in await containers.all():
                await engine.remove_container(container.id)
            for image in await images.stored():
                await images.remove(image.reference, lambda: False)
            await images.clear_all()
            await EngineVolumes(engine, containers).remove_all()

    async def _stop(self, containers: Containers) -> None:
        running = [one for one in await containers.all() if one.state == "running"]
        graces = {one.labels[INSTANCE_ID]: self._grace(one) for one in running}
        await asyncio.gather(*(containers.halt(instance_id, grace) for instance_id, grace in graces.items()))

    def _grace(self, container: ContainerSummary) -> float:
        record = None if TASK_ID in container.labels else read_record([container])
        return grace_of(record, self._settings) if record else self._settings.stop_grace_seconds

    @asynccontextmanager
    async def _engine(self) -> AsyncGenerator[Engine]:
        engine = Engine(self._settings.docker_socket)
        try:
            yield engine
        finally:
            await engine.close()
