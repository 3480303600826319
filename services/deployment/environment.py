"""The decrypted environment of a deployment. Use it only inside of a step: it holds secrets."""

from services.db.engine import Database
from services.db.recorded_environment import load_environment
from services.db.secrets import seal_context
from services.keyring import Keyring, Sealed


async def open_environment(database: Database, keyring: Keyring, deployment_id: str) -> dict[str, str]:
    """Return the captured variables and decrypted secrets of a deployment.

    Raises PreconditionFailed if a secret cannot be decrypted.
    """
    async with database.read() as session:
        recorded = await load_environment(session, deployment_id)
    opened = {
        row.name: keyring.open(
            Sealed(key_id=row.key_id, ciphertext=row.ciphertext), seal_context(row.environment_id, row.name)
        )
        for row in recorded.secrets
    }
    return {**recorded.variables, **opened}
