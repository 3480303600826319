"""The volumes of a hosted backend. Whoever runs decides whether one can be deleted."""

from dataclasses import replace
from typing import Protocol

from services.domain.errors import PreconditionFailed
from services.domain.ids import check_id
from services.domain.volumes import check_volume_name, parse_volumes
from services.krane.backends.hosted.deployments import HostedDeployments
from services.krane.backends.hosted.tasks import HostedTasks
from services.krane.types import DeploymentSpec, KeptVolume, TaskSpec


class VolumeStore(Protocol):
    """Keeps the volumes of one backend. Callers pass checked ids and names."""

    async def list(self, namespace: str) -> list[KeptVolume]:
        """Return the volumes of a namespace, without who uses them."""
        ...

    async def remove(self, namespace: str, scope: str, name: str) -> None:
        """Remove a volume; succeeds if it is gone. Raises PreconditionFailed if it cannot be removed now."""
        ...


class HostedVolumes:
    """Implements `VolumeBackend`."""

    def __init__(self, store: VolumeStore, deployments: HostedDeployments, tasks: HostedTasks) -> None:
        self._store = store
        self._deployments = deployments
        self._tasks = tasks

    async def list(self, namespace: str) -> list[KeptVolume]:
        kept = await self._store.list(check_id("namespace", namespace))
        found = [replace(one, used_by=self._users(namespace, one.scope, one.name)) for one in kept]
        return sorted(found, key=lambda one: (one.scope, one.name))

    async def delete(self, namespace: str, scope: str, name: str) -> None:
        check_id("namespace", namespace)
        check_id("scope", scope)
        check_volume_name(name)
        users = self._users(namespace, scope, name)
        if users:
            raise PreconditionFailed(
                f"volume {name} is used by {', '.join(users)}: it can be removed when no deployment with it runs"
            )
        await self._store.remove(namespace, scope, name)

    def _users(self, namespace: str, scope: str, name: str) -> tuple[str, ...]:
        running: dict[str, DeploymentSpec | TaskSpec] = {**self._tasks.running(), **self._deployments.running()}
        return tuple(sorted(id for id, spec in running.items() if _uses(spec, namespace, scope, name)))


def _uses(spec: DeploymentSpec | TaskSpec, namespace: str, scope: str, name: str) -> bool:
    is_there = (spec.namespace, spec.volume_scope) == (namespace, scope)
    return is_there and name in {volume.name for volume in parse_volumes(spec.run.volumes)}
