"""`python -m services.runtime.prepare`: what has to be in the data directory before parts are started on their own.

`interlock up` needs none of it. Who starts the parts by other means (docker-compose.yml) runs it before each start: it
brings the database to the newest revision, makes the keys that sign requests of Restate and encrypt secrets on first
use, and writes the files by which the parts know each other. Safe to repeat.
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

# In the data directory: the public key, for the endpoint's `restate.identity_key_file`.
IDENTITY_KEY_FILE = "restate-identity.pub"

log = telemetry.get_logger(__name__)


async def prepare(settings: Settings) -> None:
    """Prepare the data directory; raises Invalid when its identity key is damaged or the gateway id is no id."""
    await migrate(settings.database)
    Keyring(settings.secrets_dir).ensure()
    identity = ensure_identity(settings.data_dir / "identity")
    write_atomically(settings.data_dir / IDENTITY_KEY_FILE, f"{identity.public_key}\n".encode())
    write_bootstrap(settings)


def main() -> int:
    """Entry point; returns the exit code."""
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
