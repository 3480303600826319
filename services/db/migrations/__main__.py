"""`python -m services.db.migrations`: upgrade the configured database to the newest revision."""

import asyncio

from services.config import Settings
from services.db.migrations import migrate

if __name__ == "__main__":
    asyncio.run(migrate(Settings().database))
