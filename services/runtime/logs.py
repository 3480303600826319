"""One log file for each part: appended to over restarts, set aside when it has grown."""

from collections import deque
from pathlib import Path
from typing import BinaryIO

ROTATE_BYTES = 10 * 1024 * 1024
TAIL_BYTES = 16 * 1024


class PartLog:
    """The log of one part, in which the newest run starts at a known place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._run_starts_at = 0

    def open(self) -> BinaryIO:
        """Open for the output of a new run; a log over ROTATE_BYTES is set aside first, in place of the last one."""
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        if self.path.exists() and self.path.stat().st_size > ROTATE_BYTES:
            self.path.replace(self.path.with_suffix(".log.1"))
        log = self.path.open("ab")
        self._run_starts_at = log.tell()
        return log

    def tail(self, lines: int) -> list[str]:
        """The last lines that the newest run wrote."""
        with self.path.open("rb") as log:
            start = max(self._run_starts_at, self.path.stat().st_size - TAIL_BYTES)
            log.seek(start)
            return list(deque(log.read().decode(errors="replace").splitlines(), maxlen=lines))
