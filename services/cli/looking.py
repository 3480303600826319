"""The commands that look at projects and deployments: status, ls, audit, show, logs, attention, domains."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from services.cli.arguments import ProjectOption, parse_duration
from services.cli.exit_codes import ExitCode
from services.cli.following import follow_logs
from services.cli.render import (
    attention_text,
    deployment_text,
    deployments_table,
    domains_table,
    followed_line,
    log_text,
    printable,
    project_status_text,
    transitions_table,
)
from services.cli.session import Session, session_of
from services.cli.targets import SameProjectOption, TargetArgument, find_target
from services.ctrl.client import ControlClient
from services.gen.ctrl.v1 import control_pb2 as pb

DEFAULT_LOG_LINES = 100

domains_app = typer.Typer(no_args_is_help=True, help="List domains.")


def status(context: typer.Context, project: ProjectOption) -> None:
    """Show a project: live and what is wrong with it, newest deployments, domains, gateways."""
    session = session_of(context)
    response = session.run(lambda client: client.project_status(project))
    session.show(response, project_status_text(response))


def list_deployments(
    context: typer.Context,
    project: ProjectOption,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Maximum number of lines.")] = 20,
) -> None:
    """List a project's deployments, newest first."""
    session = session_of(context)
    response = session.run(lambda client: client.list_deployments(project, limit))
    session.show(response, deployments_table(response.deployments))


def audit(
    context: typer.Context,
    project: ProjectOption,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Maximum number of lines.")] = 50,
) -> None:
    """List the changes to a project with time, user and reason, newest first."""
    session = session_of(context)
    response = session.run(lambda client: client.list_transitions(project, limit))
    session.show(response, transitions_table(response.transitions))


def show(context: typer.Context, what: TargetArgument = "", project: SameProjectOption = "") -> None:
    """Show all details of a deployment."""
    session = session_of(context)

    async def read(client: ControlClient) -> pb.Deployment:
        return await client.get_deployment(await find_target(client, what, project))

    found = session.run(read)
    session.show(found, deployment_text(found))


def logs(
    context: typer.Context,
    what: TargetArgument = "",
    project: SameProjectOption = "",
    lines: Annotated[
        int | None,
        typer.Option("-n", "--lines", min=1, max=1000, help="Lines per instance. Default: 100; with --since all."),
    ] = None,
    build: Annotated[bool, typer.Option("--build", help="Include the build log.")] = False,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Follow new lines until the deployment has ended, or Ctrl-C.")
    ] = False,
    since: Annotated[str, typer.Option(help="Only lines newer than this, such as 90s, 15m or 2h.")] = "",
) -> None:
    """Show the newest log lines of a deployment; with -f follow new ones."""
    session = session_of(context)
    deployment = session.run(lambda client: find_target(client, what, project))
    tail_lines = lines or (0 if since else DEFAULT_LOG_LINES)
    if not follow and not since:
        response = session.run(lambda client: client.logs(deployment, tail_lines, build=build))
        session.show(response, log_text(response.lines))
        return
    request = pb.FollowLogsRequest(
        deployment_id=deployment,
        build=build,
        follow=follow,
        tail_lines=tail_lines,
        since_ms=_moment_before(parse_duration(since)) if since else 0,
    )
    _follow_logs(session, request)


def attention(context: typer.Context) -> None:
    """List problems that need a person, with the next command for each. Exit code 11 if there are any."""
    session = session_of(context)
    response = session.run(lambda client: client.list_attention())
    session.show(response, attention_text(response.items))
    if response.items:
        raise typer.Exit(ExitCode.NEEDS_ATTENTION)


@domains_app.command("ls")
def list_domains(context: typer.Context, project: ProjectOption) -> None:
    """List a project's domains."""
    session = session_of(context)
    response = session.run(lambda client: client.list_domains(project))
    session.show(response, domains_table(response.domains))


def _follow_logs(session: Session, request: pb.FollowLogsRequest) -> None:
    def show(line: pb.FollowLogsResponse) -> None:
        session.show_line(line, followed_line(line))

    def say(text: str) -> None:
        session.err.print(printable(text))

    try:
        session.run(lambda client: follow_logs(client, request, show, say))
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _moment_before(duration: timedelta) -> int:
    """Milliseconds since the epoch."""
    return int((datetime.now(UTC) - duration).timestamp() * 1000)
