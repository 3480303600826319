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
from services.krane.backends.shared.folders import Folders
from services.krane.backends.supervision.supervised import SupervisedProcess


@asynccontextmanager
async def open_processes(folders: Folders, settings: KraneSettings) -> AsyncGenerator[Backend]:
    """Take over what an earlier krane left; on the way out leave instances running."""
    artifacts = Artifacts(folders.artifacts)
    async with assembled(
        folders,
        settings,
        driver=ProcessDriver(folders, settings),
        task_driver=ProcessTasks(folders, settings),
        builder=ProcessBuilder(artifacts, folders.cache, settings),
        images=artifacts,
    ) as backend:
        yield backend


async def stop_processes(folders: Folders) -> None:
    """End every process of every instance, task and build. What is wanted stays written down."""
    await asyncio.gather(*(SupervisedProcess(folder).stop() for folder in folders.commands()))
