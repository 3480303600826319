"""Arguments as people type them."""

import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from typer.models import OptionInfo

from services.domain.settings import SETTINGS

ProjectOption = Annotated[str, typer.Option("-p", "--project", help="Slug or id of the project.")]

# How `deploy` calls its argument.
ORIGIN = "DIR|TAR|IMAGE|URL"
# The archive that is standard input.
STDIN = Path("-")

# No image is named like this: what follows its "@" is a digest.
_GIT_URL = re.compile(r"[^/]*://|[A-Za-z0-9._-]+@(?!sha[0-9]+:)[A-Za-z0-9.-]+:")
_DURATION = re.compile(r"(?P<number>[0-9]{1,6})(?P<unit>[smh]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def parse_duration(text: str) -> timedelta:
    """Seconds, or a number with its unit (90s, 15m, 2h); raises BadParameter."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a duration: use for example 90s, 15m or 2h")
    return timedelta(seconds=int(match["number"]) * _SECONDS[match["unit"]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What is deployed: exactly one of these is set."""

    folder: Path | None = None
    # A tar of the source, gzipped or not.
    archive: Path | None = None
    image: str = ""
    git_url: str = ""


def parse_origin(what: str, git_url: str, ref: str) -> Origin:
    """What the argument and the options of `deploy` name; raises BadParameter. The rules for URLs are ctrl's."""
    if _GIT_URL.match(what) and not git_url:
        what, git_url = "", what
    if bool(what) == bool(git_url):
        raise typer.BadParameter(
            "name one thing to deploy: a folder, a tar, an image, or --git with a URL", param_hint=ORIGIN
        )
    if ref and not git_url:
        raise typer.BadParameter("a ref is one of a repository: name that with --git", param_hint="--ref")
    if git_url:
        return Origin(git_url=git_url)
    path = Path(what)
    if path.is_dir():
        return Origin(folder=path)
    if path == STDIN or path.exists():
        return Origin(archive=path)
    if what.startswith((".", "/", "~")):
        raise typer.BadParameter(f"{what!r} is not there", param_hint=ORIGIN)
    return Origin(image=what)


def parse_variables(assignments: Iterable[str]) -> dict[str, str]:
    """NAME=VALUE pairs; raises BadParameter. The rules for names and values are ctrl's."""
    variables: dict[str, str] = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator or name in variables:
            raise typer.BadParameter(f"{name!r} is not given as NAME=VALUE, once")
        variables[name] = value
    return variables


def parse_command(text: str) -> list[str]:
    """Arguments, split as a shell would; raises BadParameter."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a command: {error}") from error


def setting_option(name: str, *, metavar: str | None = None) -> OptionInfo:
    """The option by which one deployment is given a setting of its own."""
    setting = next(one for one in SETTINGS if one.name == name)
    option: OptionInfo = typer.Option(
        metavar=metavar,
        min=setting.lowest or None,
        max=setting.highest or None,
        help=f"{setting.text}. Default: as the project says, else the source, else {setting.default}.",
        show_default=False,
    )
    return option


def read_secret(prompt: str, max_bytes: int) -> str:
    """What is typed unseen, or standard input, of which one line break at the end is no part of the value."""
    if sys.stdin.isatty():
        value: str = typer.prompt(prompt, hide_input=True, err=True)
        return value
    # One character too many is enough for the value to be refused, however long the input is.
    return sys.stdin.read(max_bytes + 2).removesuffix("\n")


def hoist(arguments: Sequence[str], options: frozenset[str]) -> list[str]:
    """Move `options`, which all take a value, before the rest, so that they may stand anywhere.

    `show ID -o json` becomes `-o json show ID`. What follows `--` stays.
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
