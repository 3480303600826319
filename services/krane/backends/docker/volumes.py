"""The volumes of the docker backend: named volumes of the engine with this installation's labels."""

from services.domain.errors import Conflict, PreconditionFailed
from services.krane.backends.docker.containers import NAMESPACE, VOLUME, VOLUME_SCOPE, Containers
from services.krane.backends.docker.engine import Engine
from services.krane.types import KeptVolume


class EngineVolumes:
    """Implements `VolumeStore`."""

    def __init__(self, engine: Engine, containers: Containers) -> None:
        self._engine = engine
        self._containers = containers

    async def list(self, namespace: str) -> list[KeptVolume]:
        """Return the volumes with the labels of a namespace."""
        found = await self._engine.list_volumes(self._containers.labels | {NAMESPACE: namespace})
        labels = [volume.labels or {} for volume in found]
        return [KeptVolume(scope=one[VOLUME_SCOPE], name=one[VOLUME]) for one in labels if VOLUME in one]

    async def remove(self, namespace: str, scope: str, name: str) -> None:
        """Remove a volume. The engine keeps one that a stopped container names."""
        try:
            await self._engine.remove_volume(self._containers.volume_name(namespace, scope, name))
        except Conflict as error:
            raise PreconditionFailed(
                f"the Docker Engine keeps volume {name} for stopped deployments: "
                "it can be removed when these have been removed"
            ) from error

    async def remove_all(self) -> None:
        """Remove every volume of the installation. No container is left."""
        for volume in await self._engine.list_volumes(self._containers.labels):
            await self._engine.remove_volume(volume.name)
