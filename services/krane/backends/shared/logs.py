"""Log files, and how to read their newest lines. Each line begins with its time stamp; the file is rotated.

    1763877452123456789 listening on port 40123

The stamp is in nanoseconds since the epoch. The shim writes this format, and krane writes it for logs of containers. A
line without a stamp has an unknown time.
"""

import re
import time
from pathlib import Path

# Shims keep fewer files than this.
MAX_FILES = 10
STAMP = re.compile(rb"^([0-9]{19}) ", re.MULTILINE)


def tail(log: Path, lines: int, max_bytes: int) -> list[str]:
    """Return the newest lines of a log and of its rotated files, oldest first; at most `max_bytes` in all.

    Undecodable bytes become U+FFFD. A log that does not exist is empty.
    """
    content = b""
    for file in rotated(log):
        content = _read(file) + content
        if len(content) > max_bytes or content.count(b"\n") > lines:
            break
    return newest(content, lines, max_bytes)


def newest(content: bytes, lines: int, max_bytes: int) -> list[str]:
    """Return the newest lines of `content` without their stamps, oldest first; at most `max_bytes` in all."""
    return STAMP.sub(b"", content)[-max_bytes:].decode(errors="replace").splitlines()[-lines:]


def append_line(log: Path, text: str) -> None:
    """Append a line of krane's own. No shim may write at the same time."""
    with log.open("a", errors="replace") as file:
        file.write(f"{time.time_ns()} {text}\n")


def rotated(log: Path) -> list[Path]:
    """Return the paths of the current file and of the rotated ones, newest first.

    Opening them in this order may give one file twice if a rotation happens meanwhile, but never skips one.
    """
    return [log, *(log.with_name(f"{log.name}.{number}") for number in range(1, MAX_FILES))]


def _read(file: Path) -> bytes:
    # A rotation may move the file between listing and reading.
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""
