"""`python -m services.runtime.prepare`: prepare the data directory before parts are started one by one.

`interlock up` does this itself. If something else starts the parts (docker-compose.yml), run this before each start.
It migrates the database, creates missing keys (to sign Restate's requests and to encrypt secrets), and writes the
files that tell the parts about each other. Safe to repeat.
"""

import asyncio
import sys

from services import telemetry
from services.config import Settings
from services.db.migrations import migrate
from services.domain.errors import InterlockError
from services.files import write_atomically
from services.gateway.bootstrap import write_bootstrap
from services.keyring import Keyring
from services.runtime.identity import ensure_identity

# File in the data directory with the public key; the endpoint's setting `restate.identity_key_file` names it.
IDENTITY_KEY_FILE = "restate-identity.pub"

log = telemetry.get_logger(__name__)


async def prepare(settings: Settings) -> None:
    """Prepare the data directory; raises Invalid if its identity key is damaged or the gateway id is malformed."""
    await migrate(settings.database)
    Keyring(settings.secrets_dir).ensure()
    identity = ensure_identity(settings.data_dir / "identity")
    write_atomically(settings.data_dir / IDENTITY_KEY_FILE, f"{identity.public_key}\n".encode())
    write_bootstrap(settings)


def main() -> int:
    """Run the command; returns its exit code."""
    settings = Settings()
    telemetry.configure("prepare", json=settings.log_json)
    try:
        asyncio.run(prepare(settings))
    except InterlockError as error:
        log.error("data directory cannot be prepared", reason=error.message)
        return 1
    log.info("data directory prepared", data_dir=str(settings.data_dir))
    return 0


if __name__ == "__main__":
    sys.exit(main())
