"""Parse command-line arguments."""

import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from services.cli.project import default_project
from services.domain.errors import Invalid

PROJECT_HELP = "Slug or id of the project. Default: INTERLOCK_PROJECT, or `project` in interlock.toml."
ProjectOption = Annotated[
    str,
    typer.Option("-p", "--project", help=PROJECT_HELP, default_factory=default_project, show_default=False),
]
EnvironmentOption = Annotated[str, typer.Option("-e", "--environment", help="Environment: production or preview.")]

DeploymentArgument = Annotated[str, typer.Argument(help="Id of the deployment.", metavar="DEPLOYMENT")]

# Placeholder for the argument of `deploy`.
ORIGIN = "DIR|TAR|IMAGE|URL"
# The archive is read from standard input.
STDIN = Path("-")

# Matches no image: in an image reference "@" is followed by a digest.
_GIT_URL = re.compile(r"[^/]*://|[A-Za-z0-9._-]+@(?!sha[0-9]+:)[A-Za-z0-9.-]+:")
# A tag, a digest, or a registry's host: what tells an image from a mistyped folder.
_IMAGE_MARK = re.compile(r".*[:@].*|localhost/.*|[^/]+[.][^/]+/.*")
_DURATION = re.compile(r"(?P<number>[0-9]{1,6})(?P<unit>[smh]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def parse_duration(text: str) -> timedelta:
    """Parse seconds, or a number with a unit (90s, 15m, 2h); raises BadParameter."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a duration: use seconds or a unit, such as 90s, 15m or 2h")
    return timedelta(seconds=int(match["number"]) * _SECONDS[match["unit"]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What to deploy; exactly one field is set."""

    folder: Path | None = None
    # A tar of the source, gzipped or not.
    archive: Path | None = None
    image: str = ""
    git_url: str = ""


def parse_origin(what: str, git_url: str, ref: str) -> Origin:
    """Tell folder, archive, image and git URL apart; raises BadParameter. ctrl checks the URL."""
    if _GIT_URL.match(what) and not git_url:
        what, git_url = "", what
    if bool(what) == bool(git_url):
        raise typer.BadParameter(
            "give exactly one thing to deploy: a folder, a tar, an image, or --git with a URL", param_hint=ORIGIN
        )
    if ref and not git_url:
        raise typer.BadParameter("--ref needs a git repository: name it with --git", param_hint="--ref")
    if git_url:
        return Origin(git_url=git_url)
    path = Path(what)
    if path.is_dir():
        return Origin(folder=path)
    if path == STDIN or path.exists():
        return Origin(archive=path)
    if what.startswith((".", "/", "~")) or Path(path.parts[0]).is_dir() or not _IMAGE_MARK.fullmatch(what):
        raise typer.BadParameter(
            f"no such folder: {what} (an image is named with its tag, such as team/app:1)", param_hint=ORIGIN
        )
    return Origin(image=what)


def parse_variables(assignments: Iterable[str]) -> dict[str, str]:
    """Parse NAME=VALUE pairs; raises BadParameter. ctrl checks names and values."""
    variables: dict[str, str] = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator or name in variables:
            raise typer.BadParameter(f"give {name!r} as NAME=VALUE, and only once")
        variables[name] = value
    return variables


def parse_command(text: str) -> list[str]:
    """Split a command into arguments as a shell does; raises BadParameter."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise typer.BadParameter(f"cannot split {text!r} into arguments: {error}") from error


def read_secret(prompt: str, max_bytes: int) -> str:
    """Read a secret from a hidden prompt, or from standard input without its last line break.

    Raises Invalid if standard input is empty or not UTF-8.
    """
    if sys.stdin.isatty():
        value: str = typer.prompt(prompt, hide_input=True, err=True)
        return value
    # One character more than allowed is enough for ctrl to refuse the value; do not read an endless input.
    try:
        value = sys.stdin.read(max_bytes + 2).removesuffix("\n")
        # In some locales Python reads any bytes and keeps them as surrogates.
        value.encode()
    except UnicodeError as error:
        raise Invalid(f"{prompt}: standard input is not UTF-8 text; encode it first, such as with base64") from error
    if not value:
        raise Invalid(f"{prompt}: standard input is empty")
    return value


def hoist(arguments: Sequence[str], options: frozenset[str]) -> list[str]:
    """Move global options and their values to the front, so that users may write them after the command.

    `show ID -o json` becomes `-o json show ID`. Arguments after `--` stay. Each option takes a value.
    """
    moved: list[str] = []
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*moved, *kept, argument, *rest]
        if argument in options:
            moved.append(argument)
            value = next(rest, None)
            moved += [] if value is None else [value]
        elif argument.partition("=")[0] in options:
            moved.append(argument)
        else:
            kept.append(argument)
    return [*moved, *kept]
