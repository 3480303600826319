"""The plan of a source."""

from dataclasses import dataclass
from enum import StrEnum

from services.domain.errors import Invalid


class Language(StrEnum):
    """What a source is, for its builder."""

    PYTHON = "python"
    NODE = "node"
    STATIC = "static"  # files to serve as they are
    DOCKERFILE = "dockerfile"  # its own Dockerfile says everything
    OTHER = "other"  # nothing is installed; it says how it is started


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
    # What was found, in a few words; empty when a file simply says it.
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command of the build."""

    arguments: tuple[str, ...]
    source: str
    note: str = ""
    # The files that it reads, which give the same result again while they are the same; None: any of the source.
    needs: tuple[str, ...] | None = None
    # What it reads where its arguments say "-".
    input: str = ""
    # Whether the build goes on when it fails.
    may_fail: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLine:
    """A line of a Procfile."""

    name: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFolder:
    """A folder that is served as it is."""

    # Relative to the source; "." = all of it.
    folder: str
    source: str
    # Whether its index.html answers for paths that are no files.
    is_single_page: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a builder needs to know of a source."""

    language: PlanLine
    version: Version | None = None
    package_manager: PlanLine | None = None
    # In order. Those that need few files come first.
    install: tuple[Step, ...] = ()
    build: tuple[Step, ...] = ()
    start: Command | None = None
    release: Command | None = None
    port: PlanLine | None = None
    health: PlanLine | None = None
    static: StaticFolder | None = None
    not_run: tuple[ProcessLine, ...] = ()
    warnings: tuple[str, ...] = ()
    # What to add, in one sentence, while nothing says how the app is started.
    missing_start: str = ""

    def check_start(self) -> None:
        """Raise Invalid with what to add, unless it is known how the app is started."""
        if self.missing_start:
            raise Invalid(self.missing_start)
