"""What private registries and git servers are asked with.

Only ever inside of a step or a call to krane: it holds passwords.
"""

from services.db.engine import Database
from services.db.registry_credentials import find_credential, list_credentials, seal_context
from services.db.tables import RegistryCredential as Row
from services.domain.images import registry_of
from services.keyring import Keyring, Sealed
from services.krane.types import RegistryCredential


async def open_credential(
    database: Database, keyring: Keyring, workspace_id: str, image: str
) -> RegistryCredential | None:
    """The decrypted credential of a workspace for the registry of an image; None when it has none.

    Raises PreconditionFailed when it cannot be decrypted any more.
    """
    registry = registry_of(image)
    if registry is None:
        return None
    async with database.read() as session:
        row = await find_credential(session, workspace_id, registry)
    return row and _opened(keyring, row)


async def open_credentials(database: Database, keyring: Keyring, workspace_id: str) -> list[RegistryCredential]:
    """All decrypted credentials of a workspace. Raises PreconditionFailed when one cannot be decrypted any more."""
    async with database.read() as session:
        rows = await list_credentials(session, workspace_id)
    return [_opened(keyring, row) for row in rows]


def _opened(keyring: Keyring, row: Row) -> RegistryCredential:
    sealed = Sealed(key_id=row.key_id, ciphertext=row.ciphertext)
    password = keyring.open(sealed, seal_context(row.workspace_id, row.host))
    return RegistryCredential(registry=row.host, username=row.username, password=password)
