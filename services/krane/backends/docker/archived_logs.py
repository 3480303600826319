"""The logs of containers that are gone. They are krane's to keep: with a container the engine removes its log."""

import asyncio
from pathlib import Path

from services.files import write_atomically
from services.krane.backends.docker.containers import INSTANCE_ID, NAMESPACE, Containers, owner_of
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.shapes import ContainerSummary
from services.krane.backends.shared.folders import Folders
from services.krane.backends.shared.logs import newest

# Of each instance.
MAX_BYTES = 1024 * 1024
MAX_LINES = 10_000


class ArchivedLogs:
    """One file for each instance that ever had its container removed, and for each task."""

    def __init__(self, engine: Engine, containers: Containers, folders: Folders) -> None:
        self._engine = engine
        self._containers = containers
        self._folders = folders

    def kept(self, namespace: str, deployment_id: str) -> list[str]:
        """The instances of which a log is kept."""
        return sorted(file.stem for file in self._folders.logs(namespace, deployment_id).glob("*.log"))

    async def tail(self, namespace: str, deployment_id: str, instance_id: str, lines: int, max_bytes: int) -> list[str]:
        """The newest lines of an instance, of its container and of those before it."""
        return newest(await self.read(namespace, deployment_id, instance_id, lines), lines, max_bytes)

    async def read(self, namespace: str, deployment_id: str, instance_id: str, lines: int | None = None) -> bytes:
        """The stamped lines of an instance: of its container all or the newest, and what is kept of those before it."""
        written = b""
        for container in await self._containers.of_instance(instance_id):
            if container.labels[NAMESPACE] == namespace:
                written += await self._engine.container_log(container.id, lines)
        # Read last: what is in no container any more was kept before.
        return _joined(_kept(self._path(namespace, deployment_id, instance_id)), written)

    async def begin(self, namespace: str, deployment_id: str, instance_id: str) -> None:
        """Let a log be found from now on, before there is anything to keep of it."""
        await asyncio.to_thread(_append, self._path(namespace, deployment_id, instance_id), b"")

    async def remove_container(self, container: ContainerSummary) -> None:
        """Remove a container, once its log is kept."""
        path = self._path(container.labels[NAMESPACE], owner_of(container), container.labels[INSTANCE_ID])
        written = await self._engine.container_log(container.id, MAX_LINES)
        if written:
            await asyncio.to_thread(_append, path, written)
        await self._engine.remove_container(container.id)

    def _path(self, namespace: str, deployment_id: str, instance_id: str) -> Path:
        return self._folders.logs(namespace, deployment_id) / f"{instance_id}.log"


def _append(path: Path, written: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(path, _joined(_kept(path), written)[-MAX_BYTES:])


def _joined(kept: bytes, written: bytes) -> bytes:
    """What is kept, and behind it what is in a container: that may be kept already, when its end is just noticed."""
    return kept if kept.endswith(written) else kept + written


def _kept(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
