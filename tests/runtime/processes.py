"""Small real processes for tests of supervision."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from services.runtime.health import Probe
from services.runtime.keeper import Part

SLEEP = "import time; time.sleep(60)"


async def healthy() -> bool:
    """The probe of a part that is healthy as soon as it runs."""
    return True


async def never_healthy() -> bool:
    """The probe of a part that does not become healthy."""
    return False


def python_part(name: str, code: str, *, probe: Probe = healthy, needs: tuple[str, ...] = (), **seconds: float) -> Part:
    """A part that runs `code`."""
    return Part(
        name=name,
        argv=(sys.executable, "-I", "-S", "-u", "-c", code),
        environment={},
        probe=probe,
        needs=needs,
        **seconds,
    )


def is_running(pid: int) -> bool:
    """Whether the process exists and has not ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until(condition: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Return once the condition holds; fails when it does not in time."""
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)
