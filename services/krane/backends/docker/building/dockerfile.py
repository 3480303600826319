"""The Dockerfile that the engine gets: the author's own, with two changes.

It fetches no frontend (`# syntax=`), since a registry may not be there and what it sends would run in the engine; and
for the classic builder every stage begins with a label, so that what a build that failed left is known to be krane's,
and the last ends with what the whole image says of itself. Labels that come with the request would do as well, but each
is an instruction of its own, and takes as long as one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

# Ends what the engine reads as directives.
HEADER = "# Built by krane."
_DIRECTIVE = re.compile(r"#\s*(?P<name>[A-Za-z]+)\s*=\s*(?P<value>.+?)\s*$")
_FROM = re.compile(r"\s*FROM\s", re.IGNORECASE)
_LINE = re.compile(r"\bline (?P<number>[0-9]+)")


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """What the engine gets, and which of the author's lines each of its lines was."""

    text: str
    # Counted from 1; 0 = krane added it.
    origins: tuple[int, ...]

    def with_own_lines(self, message: str) -> str:
        """A message of the engine, with the numbers of lines that the author knows."""
        return _LINE.sub(lambda match: f"line {self._origin(int(match['number']))}", message)

    def _origin(self, number: int) -> int:
        return self.origins[number - 1] if 0 < number <= len(self.origins) else number


def prepare_dockerfile(text: str, stage_label: str = "", image_labels: Mapping[str, str] | None = None) -> Dockerfile:
    """A Dockerfile for the engine. `stage_label` is the label of every stage, "<name>=<value>"; empty = none.

    `image_labels` are those of the image; no value has a single quote, or more than a line.
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
        # An instruction that goes on where the file ends, ends there.
        line = line.rstrip(" \t").removesuffix(escape)
    # Between single quotes every character stands for itself.
    label = "LABEL " + " ".join(f"{name}='{value}'" for name, value in labels.items())
    return [*lines[:last], (number, line), *lines[last + 1 :], (0, label)]


def _says_something(line: str) -> bool:
    """Whether it is part of an instruction; in one the engine skips empty lines and comments."""
    return bool(line.strip()) and not line.lstrip().startswith("#")
