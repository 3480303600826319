"""The endpoint as shipped, with failpoints that act; `interlock up` runs it when INTERLOCK_ENDPOINT__MODULE says so."""

import asyncio
import os
from pathlib import Path

from services.config import Settings
from services.deployment.__main__ import run_endpoint
from tests.faults.failpoints import Armoury

FOLDER_VARIABLE = "INTERLOCK_TEST_FAILPOINTS"

if __name__ == "__main__":
    asyncio.run(run_endpoint(Settings(), Armoury(Path(os.environ[FOLDER_VARIABLE])).failpoints))
