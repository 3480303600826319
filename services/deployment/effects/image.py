"""What a registry's image means, and having it in krane."""

from services.db.engine import Database
from services.deployment.credentials import open_credential
from services.keyring import Keyring
from services.krane.client import KraneClient


class ImageEffects:
    """The image of a deployment that was not built."""

    def __init__(self, database: Database, krane: KraneClient, keyring: Keyring) -> None:
        self._database = database
        self._krane = krane
        self._keyring = keyring

    async def resolve(self, workspace_id: str, image: str) -> str:
        """What an image means now, as a reference that stays."""
        credential = await open_credential(self._database, self._keyring, workspace_id, image)
        return await self._krane.resolve_image(workspace_id, image, credential)

    async def pull(self, workspace_id: str, image: str) -> bool:
        """Whether krane has an image of a registry; it is being fetched when it does not."""
        credential = await open_credential(self._database, self._keyring, workspace_id, image)
        return await self._krane.pull_image(workspace_id, image, credential)
