"""The volumes of the process backend: one folder for each."""

import asyncio
import uuid

from services.krane.backends.shared.files import remove_tree
from services.krane.backends.shared.folders import Folders
from services.krane.types import KeptVolume


class VolumeFolders:
    """Implements `VolumeStore`."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    async def list(self, namespace: str) -> list[KeptVolume]:
        """Return the folders of a namespace. Those with a "." are being made or removed."""
        found = self._folders.volumes(namespace, "").glob("*/*")
        return [KeptVolume(scope=one.parent.name, name=one.name) for one in found if not one.name.startswith(".")]

    async def remove(self, namespace: str, scope: str, name: str) -> None:
        """Rename the folder, so that it is gone at once, and delete it."""
        place = self._folders.volumes(namespace, scope)
        aside = place / f".{name}.{uuid.uuid4().hex}"
        if (place / name).exists():
            (place / name).rename(aside)
        for remains in place.glob(f".{name}.*"):
            await asyncio.to_thread(remove_tree, remains)
