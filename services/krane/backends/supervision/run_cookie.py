"""Kills what is left of a run whose shim was killed. Every process of a run carries the run's id."""

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

from services.domain.errors import Unavailable

SWEEP_SECONDS = 5.0


async def kill_run(run_id: str) -> None:
    """Kill every process of a run; returns when none is left. Raises Unavailable if one cannot be killed."""
    deadline = time.monotonic() + SWEEP_SECONDS
    while _kill_seen(f"INTERLOCK_RUN_ID={run_id}".encode()):
        if time.monotonic() > deadline:
            raise Unavailable(f"processes of run {run_id} do not die: look for stuck input or output on this machine")
        await asyncio.sleep(0.01)


def _kill_seen(cookie: bytes) -> int:
    """Kill the processes that carry the cookie now, and return their number. A zombie carries nothing."""
    return sum(_kill_if_carrier(int(entry.name), cookie) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _kill_if_carrier(pid: int, cookie: bytes) -> bool:
    # Opened before it is checked, so that the signal reaches the process that was checked.
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        carries = cookie in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if carries:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
    except OSError:
        return False
    finally:
        os.close(handle)
    return carries
