"""File writes that survive a SIGKILL at any moment, and locks that end with their process."""

import fcntl
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from services.domain.errors import Conflict

LOOK_AGAIN_SECONDS = 0.05


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file, readable by its owner only. After a crash it has the old or the new content, never a part."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as fresh:
        fresh.write(content)
        fresh.flush()
        os.fsync(fresh.fileno())
    Path(fresh.name).replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def hold_lock(path: Path, describe_conflict: Callable[[str], str], *, wait_seconds: float = 0.0) -> Generator[None]:
    """Hold a lock file for the block; raises Conflict if another process still holds it after `wait_seconds`.

    `describe_conflict` turns the holder's process id, or "unknown", into the error message. The kernel releases the
    lock when this process ends, however it ends.
    """
    deadline = time.monotonic() + wait_seconds
    with path.open("a+") as lock:
        while not _try_lock(lock):
            if time.monotonic() >= deadline:
                lock.seek(0)
                raise Conflict(describe_conflict(lock.read().strip() or "unknown"))
            time.sleep(LOOK_AGAIN_SECONDS)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
