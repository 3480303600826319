"""Keeps the logs of removed containers: the engine deletes a container's log with it."""

import asyncio
from pathlib import Path

from services.files import write_atomically
from services.krane.backends.docker.containers import INSTANCE_ID, NAMESPACE, Containers, owner_of
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.shapes import ContainerSummary
from services.krane.backends.shared.folders import Folders
from services.krane.backends.shared.logs import newest

# Limits for each instance.
MAX_BYTES = 1024 * 1024
MAX_LINES = 10_000


class ArchivedLogs:
    """One file for each task, and for each instance that had a container removed."""

    def __init__(self, engine: Engine, containers: Containers, folders: Folders) -> None:
        self._engine = engine
        self._containers = containers
        self._folders = folders

    def kept(self, namespace: str, deployment_id: str) -> list[str]:
        """Return the instances with a kept log."""
        return sorted(file.stem for file in self._folders.logs(namespace, deployment_id).glob("*.log"))

    async def tail(self, namespace: str, deployment_id: str, instance_id: str, lines: int, max_bytes: int) -> list[str]:
        """Return the newest lines of an instance, from its container and those before it."""
        return newest(await self.read(namespace, deployment_id, instance_id, lines), lines, max_bytes)

    async def read(self, namespace: str, deployment_id: str, instance_id: str, lines: int | None = None) -> bytes:
        """Return an instance's stamped lines: all or the newest of its container, and all kept ones of earlier ones."""
        written = b""
        for container in await self._containers.of_instance(instance_id):
            if container.labels[NAMESPACE] == namespace:
                written += await self._engine.container_log(container.id, lines)
        # Read last: the log of a container that is gone by now was kept before its removal.
        return _joined(_kept(self._path(namespace, deployment_id, instance_id)), written)

    async def begin(self, namespace: str, deployment_id: str, instance_id: str) -> None:
        """Create an empty log, so that it is found before anything is kept in it."""
        await asyncio.to_thread(_append, self._path(namespace, deployment_id, instance_id), b"")

    async def remove_container(self, container: ContainerSummary) -> None:
        """Keep the log of a container, then remove the container."""
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
    """Append a container's log to the kept one, unless it is already kept because the container is being removed."""
    return kept if kept.endswith(written) else kept + written


def _kept(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
