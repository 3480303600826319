"""The plan of a source."""

from dataclasses import dataclass
from enum import StrEnum

from services.domain.errors import Invalid


class Language(StrEnum):
    """The kind of a source."""

    PYTHON = "python"
    NODE = "node"
    STATIC = "static"  # static files, served unchanged
    DOCKERFILE = "dockerfile"  # built with its own Dockerfile
    OTHER = "other"  # nothing is installed; the start command must be given


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    """One value, and where it comes from: a file of the source, "request", "project" or "default"."""

    value: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The version of a language that a source asks for."""

    # Any comma-separated PEP 440 specifier for Python, such as "3.12" or ">=3.11,<4"; an npm range for Node.
    request: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, and where it comes from."""

    arguments: tuple[str, ...]
    source: str
    # How it was detected, in a few words; empty if a file names the command.
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command of the build."""

    arguments: tuple[str, ...]
    source: str
    note: str = ""
    # The files that it reads: while they stay the same, its result can be reused. None: it may read any file.
    needs: tuple[str, ...] | None = None
    # Standard input, for a command with the argument "-".
    input: str = ""
    # Whether the build continues if the step fails.
    may_fail: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLine:
    """A line of a Procfile."""

    name: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFolder:
    """A folder of static files to serve."""

    # Relative to the source; "." = the whole source.
    folder: str
    source: str
    # Whether index.html is served for paths without a file.
    is_single_page: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a builder needs to know about a source."""

    language: PlanLine
    version: Version | None = None
    package_manager: PlanLine | None = None
    # In order. Steps that need few files come first, so that their results are reused most often.
    install: tuple[Step, ...] = ()
    build: tuple[Step, ...] = ()
    start: Command | None = None
    release: Command | None = None
    port: PlanLine | None = None
    health: PlanLine | None = None
    static: StaticFolder | None = None
    not_run: tuple[ProcessLine, ...] = ()
    warnings: tuple[str, ...] = ()
    # If there is no start command: one sentence on what to add. Otherwise empty.
    missing_start: str = ""

    def check_start(self) -> None:
        """Raise Invalid, saying what to add, if there is no start command."""
        if self.missing_start:
            raise Invalid(self.missing_start)
