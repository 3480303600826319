"""Resolve the image of a new deployment to a digest."""

from services.deployment.secrets import Secrets
from services.domain.errors import Invalid
from services.domain.images import registry_of
from services.krane.client import KraneClient

# Maximum length that the database stores.
MAX_REFERENCE = 255


class ImagePinning:
    """Resolves images through krane, with the credentials of the workspace."""

    def __init__(self, krane: KraneClient, secrets: Secrets) -> None:
        self._krane = krane
        self._secrets = secrets

    async def pin(self, workspace_id: str, image: str) -> str:
        """Return a reference with a digest for what the image name means now. Built images already are one.

        Raises PreconditionFailed if the image cannot be pulled or run, Unavailable if its registry or krane does not
        answer.
        """
        if registry_of(image) is None:
            return image
        credential = await self._secrets.credential(workspace_id, image)
        pinned = await self._krane.resolve_image(workspace_id, image, credential)
        if len(pinned) > MAX_REFERENCE:
            raise Invalid(f"image {image[:80]}… with its digest is longer than {MAX_REFERENCE}: use a shorter name")
        return pinned
