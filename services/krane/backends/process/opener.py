"""The process backend as a whole, on folders that no other krane uses."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from services.config import KraneSettings
from services.krane.backend import Backend
from services.krane.backends.hosted.assembly import assembled
from services.krane.backends.process.artifacts import Artifacts
from services.krane.backends.process.builder import ProcessBuilder
from services.krane.backends.process.driver import ProcessDriver
from services.krane.backends.process.tasks import ProcessTasks
from services.krane.backends.process.volumes import VolumeFolders
from services.krane.backends.process.writable import can_mount
from services.krane.backends.shared.folders import Folders
from services.krane.backends.supervision.supervised import SupervisedProcess


class ProcessOpener:
    """Implements `BackendOpener`. Everything is kept in the data directory."""

    def __init__(self, folders: Folders, settings: KraneSettings) -> None:
        self._folders = folders
        self._settings = settings

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Backend]:
        artifacts = Artifacts(self._folders.artifacts)
        may_mount = await can_mount(self._folders.root)
        async with assembled(
            self._folders,
            self._settings,
            driver=ProcessDriver(self._folders, self._settings, can_mount=may_mount),
            task_driver=ProcessTasks(self._folders, self._settings, can_mount=may_mount),
            builder=ProcessBuilder(artifacts, self._folders.cache, self._settings),
            image_store=artifacts,
            volume_store=VolumeFolders(self._folders),
        ) as backend:
            yield backend

    async def stop_all(self) -> None:
        await asyncio.gather(*(SupervisedProcess(folder).stop() for folder in self._folders.commands()))

    async def remove_all(self) -> None:
        await self.stop_all()
