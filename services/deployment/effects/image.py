"""Effects on images of registries: resolve a name to a digest, and pull an image to krane."""

from services.deployment.secrets import Secrets
from services.krane.client import KraneClient


class ImageEffects:
    """The image of a deployment that was not built."""

    def __init__(self, krane: KraneClient, secrets: Secrets) -> None:
        self._krane = krane
        self._secrets = secrets

    async def resolve(self, workspace_id: str, image: str) -> str:
        """Resolve an image to a reference with its current digest."""
        credential = await self._secrets.credential(workspace_id, image)
        return await self._krane.resolve_image(workspace_id, image, credential)

    async def pull(self, workspace_id: str, image: str) -> bool:
        """Return whether krane has an image; if not, krane starts to pull it."""
        credential = await self._secrets.credential(workspace_id, image)
        return await self._krane.pull_image(workspace_id, image, credential)
