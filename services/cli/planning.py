"""`interlock plan`: how a folder would be installed, built and started, and which file says so. Nothing is sent."""

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from services.cli.arguments import parse_command
from services.cli.render import printable
from services.cli.selecting import select
from services.cli.session import Output, session_of
from services.domain.errors import Invalid
from services.domain.plan import MAX_TEXT_BYTES, GivenSettings, SourceFiles, make_plan, plan_lines
from services.domain.settings import RunSettings


class TargetBackend(StrEnum):
    """What would build it."""

    PROCESS = "process"
    DOCKER = "docker"


def plan(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to be deployed.")] = Path(),
    command: Annotated[str, typer.Option(help="What `deploy --command` would be given.")] = "",
    backend: Annotated[
        TargetBackend, typer.Option(help="docker uses a Dockerfile, process does not.")
    ] = TargetBackend.PROCESS,
) -> None:
    """Show how a folder would be built and started, line by line with the file that says it; nothing is deployed."""
    settings = RunSettings(command=tuple(parse_command(command)) or None)
    made = make_plan(
        _read(folder),
        [GivenSettings(name="request", settings=settings)],
        builds_dockerfiles=backend is TargetBackend.DOCKER,
    )
    if session_of(context).output is Output.JSON:
        typer.echo(json.dumps(asdict(made), indent=2))
    else:
        typer.echo(printable("\n".join(plan_lines(made))))
    made.check_start()


def _read(folder: Path) -> SourceFiles:
    if not folder.is_dir():
        raise Invalid(f"no such folder: {folder}")
    names = [path.relative_to(folder).as_posix() for path in select(folder).paths if path.is_file()]
    return SourceFiles.collect(names, lambda name: _beginning(folder / name))


def _beginning(file: Path) -> bytes:
    with file.open("rb") as content:
        return content.read(MAX_TEXT_BYTES)
