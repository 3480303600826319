"""Prepares a Dockerfile for the engine: the author's own, with two changes.

It loads no frontend (`# syntax=`), since a registry may be unreachable and the frontend's code would run in the engine.
For the classic builder, every stage begins with a label that marks the remains of failed builds as krane's, and the
last stage ends with the labels of the image. Labels in the request would do the same, but each would be a slow
instruction of its own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

# A comment ends the part that the engine reads as directives.
HEADER = "# Built by krane."
_DIRECTIVE = re.compile(r"#\s*(?P<name>[A-Za-z]+)\s*=\s*(?P<value>.+?)\s*$")
_FROM = re.compile(r"\s*FROM\s", re.IGNORECASE)
_LINE = re.compile(r"\bline (?P<number>[0-9]+)")


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """The Dockerfile for the engine, and the author's line number of each line."""

    text: str
    # From 1; 0 = krane added the line.
    origins: tuple[int, ...]

    def with_own_lines(self, message: str) -> str:
        """Return a message of the engine with the author's line numbers."""
        return _LINE.sub(lambda match: f"line {self._origin(int(match['number']))}", message)

    def _origin(self, number: int) -> int:
        return self.origins[number - 1] if 0 < number <= len(self.origins) else number


def prepare_dockerfile(text: str, stage_label: str = "", image_labels: Mapping[str, str] | None = None) -> Dockerfile:
    """Return a Dockerfile for the engine. `stage_label` is "<name>=<value>", the label of every stage; empty = none.

    `image_labels` are the image's labels. No value has a single quote or a line break.
    """
    lines = list(enumerate(text.removeprefix("\ufeff").splitlines(), start=1))
    escape = "\\"
    while lines and (directive := _DIRECTIVE.match(lines[0][1])):
        if directive["name"].lower() == "escape":
            escape = directive["value"]
        lines.pop(0)
    beginning = [HEADER] if escape == "\\" else [f"# escape={escape}", HEADER]
    numbered = [
        *((0, line) for line in beginning),
        *_ended(_labelled(lines, escape, stage_label), escape, image_labels or {}),
    ]
    return Dockerfile("\n".join(line for _, line in numbered) + "\n", tuple(number for number, _ in numbered))


def _labelled(lines: list[tuple[int, str]], escape: str, label: str) -> list[tuple[int, str]]:
    if not label:
        return lines
    labelled: list[tuple[int, str]] = []
    is_continued = is_from = False
    for number, line in lines:
        labelled.append((number, line))
        if not _says_something(line):
            continue
        if not is_continued:
            is_from = _FROM.match(line) is not None
        is_continued = line.rstrip(" \t").endswith(escape)
        if is_from and not is_continued:
            labelled.append((0, f"LABEL {label}"))
    return labelled


def _ended(lines: list[tuple[int, str]], escape: str, labels: Mapping[str, str]) -> list[tuple[int, str]]:
    if not labels or not any(_FROM.match(line) for _, line in lines):
        return lines
    *_, last = (index for index, (_, line) in enumerate(lines) if _says_something(line))
    number, line = lines[last]
    if line.rstrip(" \t").endswith(escape):
        # An instruction that continues at the end of the file ends there.
        line = line.rstrip(" \t").removesuffix(escape)
    # Between single quotes no character is special.
    label = "LABEL " + " ".join(f"{name}='{value}'" for name, value in labels.items())
    return [*lines[:last], (number, line), *lines[last + 1 :], (0, label)]


def _says_something(line: str) -> bool:
    """Return whether a line is part of an instruction. The engine skips empty lines and comments in instructions."""
    return bool(line.strip()) and not line.lstrip().startswith("#")
