"""The endpoint as shipped, with failpoints that act; `interlock up` runs it when INTERLOCK_ENDPOINT__MODULE says so."""

import asyncio
import os
from pathlib import Path

from services.config import Settings
from services.deployment.__main__ import run_endpoint
from tests.faults.failpoints import FailpointFolder

FOLDER_VARIABLE = "INTERLOCK_TEST_FAILPOINTS"
# A port to reach krane at that is not krane's own; unset: its own.
KRANE_PORT_VARIABLE = "INTERLOCK_TEST_KRANE_PORT"


def _settings() -> Settings:
    settings = Settings()
    port = int(os.environ.get(KRANE_PORT_VARIABLE, settings.krane.port))
    return settings.model_copy(update={"krane": settings.krane.model_copy(update={"port": port})})


if __name__ == "__main__":
    asyncio.run(run_endpoint(_settings(), FailpointFolder(Path(os.environ[FOLDER_VARIABLE])).failpoints))
