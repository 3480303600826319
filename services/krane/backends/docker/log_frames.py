"""The engine's logs, as krane's log files have them: a line each, behind its stamp.

The engine sends frames: which stream a piece came from, its length, when it was written, and the piece. A piece is a
line, or a part of a long one; parts of the two streams may alternate.
"""

import struct
from datetime import datetime

# Which stream, three empty bytes, the length.
HEADER = struct.Struct(">BxxxI")
# Of one line that goes on and on.
MAX_LINE_BYTES = 1024 * 1024
NANOSECONDS = 1_000_000_000


class LogFrames:
    """Takes the bytes of an answer as they come."""

    def __init__(self) -> None:
        self._bytes = b""
        # The lines that were begun, by stream.
        self._begun: dict[int, bytes] = {}

    def feed(self, data: bytes) -> bytes:
        """The lines that the data completes."""
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
        """The lines that nothing will complete."""
        return b"".join(line + b"\n" for line in self._begun.values())

    def _add(self, stream: int, piece: bytes) -> bytes:
        """The line that a piece completes; empty when it does not."""
        written_at, _, text = piece.partition(b" ")
        begun = self._begun.pop(stream, None)
        line = b"%d %b" % (_nanoseconds(written_at.decode()), text) if begun is None else begun + text
        if line.endswith(b"\n"):
            return line
        self._begun[stream] = line[:MAX_LINE_BYTES]
        return b""


def _nanoseconds(written_at: str) -> int:
    """Nanoseconds since the epoch, of "2026-11-23T05:57:32.123456789Z"."""
    seconds, _, fraction = written_at.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(f"{seconds}+00:00").timestamp()) * NANOSECONDS + int(fraction.ljust(9, "0"))
