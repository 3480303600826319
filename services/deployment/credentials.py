"""Decrypted credentials for private registries and git servers.

Use them only inside of a step or a call to krane: they hold passwords, which must not be journaled.
"""

from services.db.engine import Database
from services.db.registry_credentials import find_credential, list_credentials, seal_context
from services.db.tables import SealedCredential
from services.domain.images import registry_of
from services.keyring import Keyring, Sealed
from services.krane.types import HostCredential


async def open_credential(database: Database, keyring: Keyring, workspace_id: str, image: str) -> HostCredential | None:
    """Return a workspace's credential for the registry of an image; None if it has none.

    Raises PreconditionFailed if it cannot be decrypted.
    """
    registry = registry_of(image)
    if registry is None:
        return None
    async with database.read() as session:
        row = await find_credential(session, workspace_id, registry)
    return row and _opened(keyring, row)


async def open_credentials(database: Database, keyring: Keyring, workspace_id: str) -> list[HostCredential]:
    """Return all credentials of a workspace. Raises PreconditionFailed if one cannot be decrypted."""
    async with database.read() as session:
        rows = await list_credentials(session, workspace_id)
    return [_opened(keyring, row) for row in rows]


def _opened(keyring: Keyring, row: SealedCredential) -> HostCredential:
    sealed = Sealed(key_id=row.key_id, ciphertext=row.ciphertext)
    password = keyring.open(sealed, seal_context(row.workspace_id, row.host))
    return HostCredential(registry=row.host, username=row.username, password=password)
