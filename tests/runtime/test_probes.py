"""Asking one part from the command line, as a container's health check does."""

import asyncio
import os
import sys
from pathlib import Path

from services.config import KraneSettings
from services.krane.server import running
from tests.restate_server import free_port


async def exit_code(part: str, krane: str) -> int:
    """What a health check says of a part when krane is expected at host:port."""
    environment = {"PATH": os.environ["PATH"], "INTERLOCK_KRANE__PORT": krane.partition(":")[2]}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.runtime.probes", part, env=environment
    )
    return await process.wait()


async def test_a_health_check_succeeds_while_the_part_answers(tmp_path: Path) -> None:
    async with running(tmp_path, KraneSettings(port=0)) as address:
        assert await exit_code("krane", address) == 0

    assert await exit_code("krane", f"127.0.0.1:{free_port()}") == 1
