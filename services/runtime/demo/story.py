"""How the demo prints its story, and stops when something is not as it says."""

import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text


class Deviation(Exception):
    """A result differs from the expected one."""


def expect(what: str, *, expected: object, seen: object) -> None:
    """Raise Deviation unless both are equal."""
    if seen != expected:
        raise Deviation(f"{what}: expected {expected!r}, saw {seen!r}")


class Story:
    """Prints chapters, each with its facts and how long it took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._chapters = 0
        self._began = time.monotonic()

    @contextmanager
    def chapter(self, title: str, explanation: str) -> Generator[None]:
        """One part of the story; its time is printed when it ended well."""
        self._chapters += 1
        self._console.print(Text.assemble((f"\n{self._chapters}. {title}", "bold")), soft_wrap=True)
        self.fact(explanation, style="italic")
        began = time.monotonic()
        yield
        self.fact(f"{time.monotonic() - began:.1f} s", style="dim")

    def begin(self, text: str) -> None:
        """The first lines."""
        self._console.print(Text(text), soft_wrap=True)

    def fact(self, text: str, *, style: str = "") -> None:
        """One line within a chapter."""
        self._console.print(Text(f"   {text}", style=style), soft_wrap=True)

    def end(self) -> None:
        """The last line."""
        took = f"{time.monotonic() - self._began:.0f} s"
        self._console.print(
            Text(
                f"\nAll as expected, in {took}. To use it yourself, run `make up` and follow README.md.", "bold green"
            ),
            soft_wrap=True,
        )

    def fail(self, why: str) -> None:
        """The last lines, when something deviated."""
        self._console.print(Text(f"\nNot as expected. {why}", style="bold red"), soft_wrap=True)
