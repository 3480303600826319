"""Decrypts what a workspace keeps sealed: environments of deployments, and credentials for registries and git servers.

Use the results only inside of a step or a call to krane: they hold secrets, which must not be journaled.
"""

from services.db import registry_credentials, secrets
from services.db.engine import Database
from services.db.recorded_environment import load_environment
from services.db.tables import SealedCredential
from services.domain.images import registry_of
from services.keyring import Keyring, Sealed
from services.krane.types import HostCredential


class Secrets:
    """The sealed values of all workspaces. Each method raises PreconditionFailed if one cannot be decrypted."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    async def environment(self, deployment_id: str) -> dict[str, str]:
        """Return the captured variables and decrypted secrets of a deployment."""
        async with self._database.read() as session:
            recorded = await load_environment(session, deployment_id)
        opened = {
            row.name: self._keyring.open(
                Sealed(key_id=row.key_id, ciphertext=row.ciphertext), secrets.seal_context(row.environment_id, row.name)
            )
            for row in recorded.secrets
        }
        return {**recorded.variables, **opened}

    async def credential(self, workspace_id: str, image: str) -> HostCredential | None:
        """Return a workspace's credential for the registry of an image; None if it has none."""
        registry = registry_of(image)
        if registry is None:
            return None
        async with self._database.read() as session:
            row = await registry_credentials.find_credential(session, workspace_id, registry)
        return row and self._opened(row)

    async def credentials(self, workspace_id: str) -> list[HostCredential]:
        """Return all credentials of a workspace."""
        async with self._database.read() as session:
            rows = await registry_credentials.list_credentials(session, workspace_id)
        return [self._opened(row) for row in rows]

    def _opened(self, row: SealedCredential) -> HostCredential:
        sealed = Sealed(key_id=row.key_id, ciphertext=row.ciphertext)
        password = self._keyring.open(sealed, registry_credentials.seal_context(row.workspace_id, row.host))
        return HostCredential(host=row.host, username=row.username, password=password)
