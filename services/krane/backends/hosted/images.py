"""The images of a hosted backend: its driver resolves them, and the pruner removes unneeded ones."""

from collections.abc import Iterable

from services.domain.ids import check_id
from services.krane.backends.building.pruning import Pruner
from services.krane.backends.hosted.driver import Driver
from services.krane.types import HostCredential


class HostedImages:
    """Implements `ImageBackend`."""

    def __init__(self, driver: Driver, pruner: Pruner) -> None:
        self._driver = driver
        self._pruner = pruner

    async def resolve(self, namespace: str, image: str, credential: HostCredential | None) -> str:
        check_id("namespace", namespace)
        return await self._driver.resolve(image, credential)

    async def pull(self, namespace: str, image: str, credential: HostCredential | None) -> bool:
        check_id("namespace", namespace)
        return await self._driver.pull(image, credential)

    async def prune(self, keep: Iterable[str], unneeded_seconds: float) -> list[str]:
        return await self._pruner.prune(keep, unneeded_seconds)
