"""Converts the engine's log frames to the format of krane's log files: one line each, after its stamp.

A frame has a header with the stream and a length, then a time stamp and text. The text is a line or part of a long
line; frames of the two streams may alternate.
"""

import struct
from datetime import datetime

# The stream, three empty bytes, the length.
HEADER = struct.Struct(">BxxxI")
# Longest line.
MAX_LINE_BYTES = 1024 * 1024
NANOSECONDS = 1_000_000_000


class LogFrames:
    """Parses the bytes of an answer as they arrive."""

    def __init__(self) -> None:
        self._bytes = b""
        # Unfinished lines by stream.
        self._begun: dict[int, bytes] = {}

    def feed(self, data: bytes) -> bytes:
        """Return the lines that the data completes."""
        self._bytes += data
        lines: list[bytes] = []
        start = 0
        while len(self._bytes) - start >= HEADER.size:
            stream, length = HEADER.unpack_from(self._bytes, start)
            end = start + HEADER.size + length
            if end > len(self._bytes):
                break
            lines.append(self._add(stream, self._bytes[start + HEADER.size : end]))
            start = end
        self._bytes = self._bytes[start:]
        return b"".join(lines)

    def end(self) -> bytes:
        """Return the unfinished lines."""
        return b"".join(line + b"\n" for line in self._begun.values())

    def _add(self, stream: int, piece: bytes) -> bytes:
        """Return the line that a piece completes; empty if it completes none."""
        written_at, _, text = piece.partition(b" ")
        begun = self._begun.pop(stream, None)
        line = b"%d %b" % (_nanoseconds(written_at.decode()), text) if begun is None else begun + text
        if line.endswith(b"\n"):
            return line
        self._begun[stream] = line[:MAX_LINE_BYTES]
        return b""


def _nanoseconds(written_at: str) -> int:
    """Convert "2026-11-23T05:57:32.123456789Z" to nanoseconds since the epoch."""
    seconds, _, fraction = written_at.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(f"{seconds}+00:00").timestamp()) * NANOSECONDS + int(fraction.ljust(9, "0"))
