"""One log file per part: restarts append to it, and it is rotated when it is large."""

from collections import deque
from pathlib import Path
from typing import BinaryIO

ROTATE_BYTES = 10 * 1024 * 1024
TAIL_BYTES = 16 * 1024


class PartLog:
    """The log of one part; remembers where the output of the newest run starts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._run_starts_at = 0

    def open(self) -> BinaryIO:
        """Open the log for a new run. A log over ROTATE_BYTES is first moved to .log.1, replacing the one there."""
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        if self.path.exists() and self.path.stat().st_size > ROTATE_BYTES:
            self.path.replace(self.path.with_suffix(".log.1"))
        log = self.path.open("ab")
        self._run_starts_at = log.tell()
        return log

    def tail(self, lines: int) -> list[str]:
        """Return the last lines of the newest run."""
        with self.path.open("rb") as log:
            start = max(self._run_starts_at, self.path.stat().st_size - TAIL_BYTES)
            log.seek(start)
            return list(deque(log.read().decode(errors="replace").splitlines(), maxlen=lines))
