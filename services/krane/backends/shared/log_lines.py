"""Lines of a log, and a reader's place in it.

A cursor names a line by its time stamp. A line without one, from an older shim, is named by the stamp before it and the
number of lines after that. So a cursor stays valid across rotations and restarts of krane and of the instance, and it
shows when its line is no longer kept.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

from services.domain.errors import Invalid
from services.krane.backends.shared.logs import STAMP
from services.krane.types import FollowedLine, LogQuery

# Longer lines are cut, and end in an ellipsis.
MAX_LINE_BYTES = 16 * 1024
CURSOR = re.compile(r"(?P<stamp>[0-9]{1,19})\+(?P<further>[0-9]{1,9})")
NANOSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it was written."""

    # Nanoseconds since the epoch; 0 = unknown.
    stamp: int
    text: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """Names a line."""

    stamp: int
    # Number of lines after the one with the stamp.
    further: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a cursor that krane handed out. Raises Invalid."""
        match = CURSOR.fullmatch(text)
        if match is None:
            raise Invalid(f"{text[:80]!r} is not a cursor: send the one that came with a line, or none")
        return cls(int(match["stamp"]), int(match["further"]))

    def __str__(self) -> str:
        return f"{self.stamp}+{self.further}"

    def next(self, line: Line) -> "Cursor":
        """Return the cursor of the line after this one."""
        if line.stamp in (0, self.stamp):
            return Cursor(self.stamp, self.further + 1)
        return Cursor(line.stamp, 0)


START = Cursor(0, -1)


class Splitter:
    """Splits bytes that arrive in pieces into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Line]:
        """Return the lines that the data completes."""
        *whole, rest = (self._rest + data).split(b"\n")
        # This much is enough to see that the line has to be cut.
        self._rest = rest[: MAX_LINE_BYTES * 2]
        return [_line(content) for content in whole]

    def end(self) -> list[Line]:
        """Return the unfinished line, if there is one."""
        return self.feed(b"\n") if self._rest else []


class Place:
    """A reader's place in one log. Selects the lines that are new to the reader, and sets their cursors."""

    def __init__(self, instance_id: str, query: LogQuery) -> None:
        self._instance_id = instance_id
        self._tail_lines = query.tail_lines
        self._since = query.since_ms * NANOSECONDS
        after = query.after.get(instance_id)
        # None: at no line yet.
        self._cursor = None if after is None else Cursor.parse(after)
        self._has_gap = False

    def note_gap(self) -> None:
        """Mark the next line as not following the last one."""
        self._has_gap = True

    def catch_up(self, log: Sequence[Line]) -> list[FollowedLine]:
        """Return the new lines, given all lines that are kept."""
        cursors = [*accumulate(log, Cursor.next, initial=START)]
        if self._cursor is None:
            begin = self._chosen(log)
        elif self._cursor in cursors:
            begin = cursors.index(self._cursor)
        else:
            begin = 0
            self.note_gap()
        self._cursor = cursors[begin]
        return [self.advance(line) for line in log[begin:]]

    def advance(self, line: Line) -> FollowedLine:
        """Move on to the next line."""
        self._cursor = (self._cursor or START).next(line)
        has_gap, self._has_gap = self._has_gap, False
        return FollowedLine(
            instance_id=self._instance_id,
            text=line.text,
            at_ms=line.stamp // NANOSECONDS,
            cursor=str(self._cursor),
            is_after_gap=has_gap,
        )

    def _chosen(self, log: Sequence[Line]) -> int:
        recent = next((index for index, line in enumerate(log) if line.stamp >= self._since), len(log))
        return max(recent, len(log) - self._tail_lines) if self._tail_lines else recent


def _line(content: bytes) -> Line:
    match = STAMP.match(content)
    text = content[match.end() :] if match else content
    shown = text[:MAX_LINE_BYTES].decode(errors="replace").rstrip("\r")
    return Line(int(match[1]) if match else 0, f"{shown}…" if len(text) > MAX_LINE_BYTES else shown)
