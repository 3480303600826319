"""Opens the backend that the settings choose, on a data directory that no other krane uses.

What a backend is made of is loaded when it is chosen: krane starts the sooner.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from services.config import KraneBackend, KraneSettings
from services.krane.backend import Backend
from services.krane.backends.shared.folders import HOLD_SECONDS, Folders


@asynccontextmanager
async def open_backend(data_dir: Path, settings: KraneSettings) -> AsyncGenerator[Backend]:
    """Take over what an earlier krane left; on the way out leave instances running. Raises Conflict if one is there."""
    folders = Folders.under(data_dir)
    with folders.hold():
        async with _open(folders, settings) as backend:
            yield backend


async def stop_all(data_dir: Path, settings: KraneSettings, *, timeout_seconds: float = HOLD_SECONDS) -> None:
    """End every instance and build.

    For a machine that is to be left clean, once krane has ended; raises Conflict when it still runs after the timeout.
    What is wanted stays written down: the next krane starts again what was running.
    """
    folders = Folders.under(data_dir)
    with folders.hold(timeout_seconds):
        await _stop(folders, settings)


async def remove_all(data_dir: Path, settings: KraneSettings, *, timeout_seconds: float = HOLD_SECONDS) -> None:
    """End every instance and build, and remove what is kept of them outside of the data directory.

    For a data directory that is to be deleted, once krane has ended; raises Conflict when it still runs after the
    timeout.
    """
    folders = Folders.under(data_dir)
    with folders.hold(timeout_seconds):
        await _stop(folders, settings)
        if settings.backend is KraneBackend.DOCKER:
            from services.krane.backends.docker.backend import remove_docker

            await remove_docker(folders, settings)


def _open(folders: Folders, settings: KraneSettings) -> AbstractAsyncContextManager[Backend]:
    match settings.backend:
        case KraneBackend.PROCESS:
            from services.krane.backends.process.backend import open_processes

            return open_processes(folders, settings)
        case KraneBackend.DOCKER:
            from services.krane.backends.docker.backend import open_docker

            return open_docker(folders, settings)


async def _stop(folders: Folders, settings: KraneSettings) -> None:
    match settings.backend:
        case KraneBackend.PROCESS:
            from services.krane.backends.process.backend import stop_processes

            await stop_processes(folders)
        case KraneBackend.DOCKER:
            from services.krane.backends.docker.backend import stop_docker

            await stop_docker(folders, settings)
