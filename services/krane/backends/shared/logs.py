"""Reads the newest lines of logs."""

from pathlib import Path


def tail(log: Path, lines: int, max_bytes: int) -> list[str]:
    """The newest lines, oldest first, of a log and the files that a shim rotated it into; at most `max_bytes` of them.

    Undecodable bytes are shown as U+FFFD. A log that does not exist is empty.
    """
    content = b""
    for file in _newest_first(log):
        content = _read(file) + content
        if len(content) > max_bytes or content.count(b"\n") > lines:
            break
    return newest(content, lines, max_bytes)


def newest(content: bytes, lines: int, max_bytes: int) -> list[str]:
    """The newest lines of what was written, oldest first; at most `max_bytes` of them."""
    return content[-max_bytes:].decode(errors="replace").splitlines()[-lines:]


def _newest_first(log: Path) -> list[Path]:
    rotated = log.parent.glob(f"{log.name}.[0-9]")
    return [log, *sorted(rotated)]


def _read(file: Path) -> bytes:
    # A rotation may move the file away between listing and reading.
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""
