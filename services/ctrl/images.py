"""What an image means at the moment at which a deployment is asked for."""

from services.db.engine import Database
from services.deployment.credentials import open_credential
from services.domain.errors import Invalid
from services.domain.images import registry_of
from services.keyring import Keyring
from services.krane.client import KraneClient

# As long as the database keeps.
MAX_REFERENCE = 255


class Images:
    """Asks krane, with the credentials of the workspace."""

    def __init__(self, database: Database, krane: KraneClient, keyring: Keyring) -> None:
        self._database = database
        self._krane = krane
        self._keyring = keyring

    async def pin(self, workspace_id: str, image: str) -> str:
        """A reference that means for ever what the image means now; what a build made is one already.

        Raises PreconditionFailed when it cannot be had or run, Unavailable when its registry or krane does not answer.
        """
        if registry_of(image) is None:
            return image
        credential = await open_credential(self._database, self._keyring, workspace_id, image)
        pinned = await self._krane.resolve_image(workspace_id, image, credential)
        if len(pinned) > MAX_REFERENCE:
            raise Invalid(f"image {image[:80]}… has too long a name with its digest: use a shorter one")
        return pinned
