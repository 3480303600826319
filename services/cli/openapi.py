"""`interlock openapi`: show the API of a deployed app, and what changed between two deployments."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from services.cli.arguments import PROJECT_HELP
from services.cli.exit_codes import ExitCode
from services.cli.project import default_project
from services.cli.render import printable
from services.cli.session import Output, session_of
from services.cli.targets import SameProjectOption, TargetArgument, find_target
from services.ctrl.client import ControlClient
from services.domain.contracts import ApiChange, compare_documents
from services.domain.errors import Invalid, PreconditionFailed

openapi_app = typer.Typer(no_args_is_help=True, help="Show the API of an app, and what changed in it.")


@openapi_app.command("show")
def show_openapi(
    context: typer.Context,
    what: TargetArgument = "",
    project: SameProjectOption = "",
) -> None:
    """Print the OpenAPI document that a deployment served when it became ready, as it was."""

    async def read(client: ControlClient) -> bytes:
        return await client.get_openapi(await find_target(client, what, project))

    document = session_of(context).run(read)
    if sys.stdout.isatty():
        typer.echo(printable(document.decode(errors="replace")))
        return
    sys.stdout.buffer.write(document)
    sys.stdout.buffer.flush()


@openapi_app.command("diff")
def diff_openapi(
    context: typer.Context,
    before: Annotated[
        str, typer.Argument(help="Deployment to compare with. Default: what was live before.", metavar="A")
    ] = "",
    after: Annotated[str, typer.Argument(help="Deployment that is compared. Default: live.", metavar="B")] = "",
    project: Annotated[str, typer.Option("-p", "--project", help=PROJECT_HELP)] = "",
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 7 if callers break.", show_default=False)
    ] = False,
) -> None:
    """List the changes from one deployment's API to another's; those that break callers are marked."""
    session = session_of(context)

    async def read(client: ControlClient) -> tuple[bytes, bytes]:
        ids = await _pair(client, before, after, project)
        return await client.get_openapi(ids[0]), await client.get_openapi(ids[1])

    changes = compare_documents(*(json.loads(document) for document in session.run(read)))
    if session.output is Output.JSON:
        typer.echo(json.dumps([asdict(change) for change in changes], indent=2))
    else:
        session.out.print(_text(changes), soft_wrap=True)
    if exit_code and any(change.is_breaking for change in changes):
        raise typer.Exit(ExitCode.REFUSED)


async def _pair(client: ControlClient, before: str, after: str, project: str) -> tuple[str, str]:
    """Return the ids to compare; what is not named comes from the project, or from the project of the named one."""
    if before and after:
        return before, after
    if before and project:
        raise Invalid("name two deployments, or one, or a project with -p")
    project = (await client.get_deployment(before)).project_id if before else project or default_project()
    status = await client.project_status(project)
    live, previous = status.project.live_deployment_id, before or status.previous_live_deployment_id
    if not live or not previous:
        raise PreconditionFailed(f"project {status.project.slug!r} has nothing to compare yet; deploy twice")
    return previous, live


def _text(changes: Sequence[ApiChange]) -> Text:
    if not changes:
        return Text("no changes")
    lines = [
        Text.assemble(("breaking  ", "red") if change.is_breaking else "          ", printable(_sentence(change)))
        for change in changes
    ]
    return Text("\n").join(lines)


def _sentence(change: ApiChange) -> str:
    return f"{change.where}: {change.what}"
