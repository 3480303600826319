"""Opens the backend that the settings select, on a data directory that no other krane uses.

Only the selected backend is imported, so that krane starts faster.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from services.config import KraneBackend, KraneSettings
from services.krane.backend import Backend, BackendOpener
from services.krane.backends.shared.folders import HOLD_SECONDS, Folders


@asynccontextmanager
async def open_backend(data_dir: Path, settings: KraneSettings) -> AsyncGenerator[Backend]:
    """Open the backend of a data directory. Raises Conflict if another krane uses it."""
    folders = Folders.under(data_dir)
    with folders.hold():
        async with _opener(folders, settings).open() as backend:
            yield backend


async def stop_all(data_dir: Path, settings: KraneSettings, *, timeout_seconds: float = HOLD_SECONDS) -> None:
    """Wait until krane has ended, then stop every instance, task and build.

    Raises Conflict if krane still runs after the timeout.
    """
    folders = Folders.under(data_dir)
    with folders.hold(timeout_seconds):
        await _opener(folders, settings).stop_all()


async def remove_all(data_dir: Path, settings: KraneSettings, *, timeout_seconds: float = HOLD_SECONDS) -> None:
    """Wait until krane has ended, then stop everything and remove what is outside of the data directory.

    Raises Conflict if krane still runs after the timeout.
    """
    folders = Folders.under(data_dir)
    with folders.hold(timeout_seconds):
        await _opener(folders, settings).remove_all()


def _opener(folders: Folders, settings: KraneSettings) -> BackendOpener:
    match settings.backend:
        case KraneBackend.PROCESS:
            from services.krane.backends.process.opener import ProcessOpener

            return ProcessOpener(folders, settings)
        case KraneBackend.DOCKER:
            from services.krane.backends.docker.opener import DockerOpener

            return DockerOpener(folders, settings)
