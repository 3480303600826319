"""Log files: lines, each behind when it was written, in a file that is rotated; and their newest lines.

    1763877452123456789 listening on port 40123

The stamp is in nanoseconds since the epoch. The shim writes it, and krane, which keeps the logs of containers in the
same way. Lines without one are read as well: their time is not known.
"""

import re
import time
from pathlib import Path

# Shims rotate into fewer.
MAX_FILES = 10
STAMP = re.compile(rb"^([0-9]{19}) ", re.MULTILINE)


def tail(log: Path, lines: int, max_bytes: int) -> list[str]:
    """The newest lines, oldest first, of a log and the files that a shim rotated it into; at most `max_bytes` of them.

    Undecodable bytes are shown as U+FFFD. A log that does not exist is empty.
    """
    content = b""
    for file in rotated(log):
        content = _read(file) + content
        if len(content) > max_bytes or content.count(b"\n") > lines:
            break
    return newest(content, lines, max_bytes)


def newest(content: bytes, lines: int, max_bytes: int) -> list[str]:
    """The newest lines of what was written, oldest first, without their stamps; at most `max_bytes` of them."""
    return STAMP.sub(b"", content)[-max_bytes:].decode(errors="replace").splitlines()[-lines:]


def append_line(log: Path, text: str) -> None:
    """Append a line of krane's own; no shim may write at the same time."""
    with log.open("a", errors="replace") as file:
        file.write(f"{time.time_ns()} {text}\n")


def rotated(log: Path) -> list[Path]:
    """Where the file that is written now may be, and those before it, newest first.

    Whoever opens them in this order may find one twice when they are rotated meanwhile, and misses none in between.
    """
    return [log, *(log.with_name(f"{log.name}.{number}") for number in range(1, MAX_FILES))]


def _read(file: Path) -> bytes:
    # A rotation may move the file away between listing and reading.
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""
