"""The commands of `interlock`: parse, call ctrl, print."""

import gc
import sys
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Annotated

import typer

from services.cli.arguments import (
    ORIGIN,
    STDIN,
    EnvironmentOption,
    Origin,
    ProjectOption,
    hoist,
    parse_command,
    parse_duration,
    parse_origin,
    parse_variables,
    setting_option,
)
from services.cli.configuration import config_app, env_app, secrets_app
from services.cli.credentials import credentials_app
from services.cli.exit_codes import ExitCode, of_ended, of_error
from services.cli.following import follow_logs
from services.cli.git import Revision, revision_of
from services.cli.packing import CHUNK_BYTES, copy_archive, pack
from services.cli.planning import plan
from services.cli.progress import follow, still_running
from services.cli.render import (
    attention_text,
    deployment_text,
    deployments_table,
    domains_table,
    followed_line,
    log_text,
    moved_text,
    printable,
    project_status_text,
    projects_table,
    result_text,
    transitions_table,
)
from services.cli.session import Output, Session, session_of
from services.ctrl import defaults
from services.ctrl.client import ControlClient, MoveOptions
from services.ctrl.enums import status_of
from services.domain.errors import InterlockError
from services.gen.ctrl.v1 import control_pb2 as pb

DEFAULT_BRANCH = "main"
DEFAULT_LOG_LINES = 100
GLOBAL_OPTIONS = frozenset({"-w", "--workspace", "-o", "--output", "--data-dir", "--ready-file", "--address"})

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Deploy, roll back and promote. The options below are accepted before and after the command.",
)
project_app = typer.Typer(no_args_is_help=True, help="Create and list projects.")
domains_app = typer.Typer(no_args_is_help=True, help="List domains.")
app.add_typer(project_app, name="project")
app.add_typer(domains_app, name="domains")
app.add_typer(config_app, name="config")
app.add_typer(env_app, name="env")
app.add_typer(secrets_app, name="secrets")
app.add_typer(credentials_app, name="credentials")
# The old name, from when only registries had credentials.
app.add_typer(credentials_app, name="registry", hidden=True)
app.command()(plan)

DeploymentArgument = Annotated[str, typer.Argument(help="Id of the deployment.", metavar="DEPLOYMENT")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would move, without moving it.", show_default=False)
]
NoPreemptOption = Annotated[
    bool,
    typer.Option("--no-preempt", help="Wait for running deployments instead of cancelling them.", show_default=False),
]
ReasonOption = Annotated[str, typer.Option(help="Why; recorded with your name, see `interlock audit`.")]
TimeoutOption = Annotated[
    str, typer.Option(help="How long to wait, such as 90s or 15m. The deployment goes on after that.")
]


@app.callback()
def global_options(
    context: typer.Context,
    workspace: Annotated[str, typer.Option("-w", "--workspace", help="Slug of the workspace.")] = defaults.WORKSPACE,
    output: Annotated[Output, typer.Option("-o", "--output", help="Format of the output.")] = Output.TEXT,
    data_dir: Annotated[
        Path, typer.Option(envvar="INTERLOCK_DATA_DIR", help="Data directory of `interlock up`.")
    ] = Path("data"),
    ready_file: Annotated[
        Path | None,
        typer.Option(
            envvar="INTERLOCK_READY_FILE",
            help="File with the address of the control plane. Default: ready.json in the data directory.",
            show_default=False,
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(envvar="INTERLOCK_ADDRESS", help="host:port of the control plane; replaces the ready file."),
    ] = None,
) -> None:
    """Store the global options for the command."""
    context.obj = Session(workspace=workspace, output=output, data_dir=data_dir, ready_file=ready_file, address=address)


@app.command()
def up(
    context: typer.Context,
    ports: Annotated[
        str, typer.Option(help="'default': fixed ports; 'auto': free ports, the same again at the next start.")
    ] = "default",
) -> None:
    """Start the control plane, krane and the gateway on this machine and keep them running."""
    from services.runtime.up import run

    if ports not in ("auto", "default"):
        raise typer.BadParameter("use auto or default", param_hint="--ports")
    session = session_of(context)
    raise typer.Exit(run(session.data_dir, ports == "auto", session.ready_file))


@project_app.command("create")
def create_project(
    context: typer.Context, slug: Annotated[str, typer.Argument(help="Name of the project, used in hostnames.")]
) -> None:
    """Create a project with two environments: production and preview."""
    session = session_of(context)
    project = session.run(lambda client: client.create_project(slug))
    session.show(project, projects_table([project]))


@project_app.command("ls")
def list_projects(context: typer.Context) -> None:
    """List the projects."""
    session = session_of(context)
    response = session.run(lambda client: client.list_projects())
    session.show(response, projects_table(response.projects))


@app.command()
def deploy(
    context: typer.Context,
    project: ProjectOption,
    what: Annotated[
        str,
        typer.Argument(
            help="What to deploy: a source folder, a tar of one (- reads standard input), an image, or the URL of a "
            "git repository.",
            metavar=ORIGIN,
        ),
    ] = "",
    git: Annotated[
        str,
        typer.Option(metavar="URL", help="Git repository to deploy from (same as passing the URL as the argument)."),
    ] = "",
    ref: Annotated[
        str, typer.Option(help="Branch, tag or full commit id to deploy. Default: the repository's default branch.")
    ] = "",
    environment: EnvironmentOption = defaults.ENVIRONMENT,
    branch: Annotated[
        str,
        typer.Option(
            help="Branch that the deployment belongs to. Default: the folder's git branch, else main; for a git "
            "repository the ref."
        ),
    ] = "",
    commit: Annotated[
        str, typer.Option(help="Commit that the deployment belongs to. Default: the folder's git commit.")
    ] = "",
    message: Annotated[str, typer.Option("-m", "--message", help="Description, shown in lists.")] = "",
    replicas: Annotated[int | None, setting_option("replicas")] = None,
    cpu: Annotated[int | None, setting_option("cpu_millicores")] = None,
    memory: Annotated[int | None, setting_option("memory_mib")] = None,
    health_path: Annotated[str, setting_option("health_path")] = "",
    port: Annotated[int | None, setting_option("port")] = None,
    stop_seconds: Annotated[int | None, setting_option("stop_seconds")] = None,
    ready_seconds: Annotated[int | None, setting_option("ready_seconds")] = None,
    release_command: Annotated[str, setting_option("release_command", metavar="COMMAND")] = "",
    no_release_command: Annotated[
        bool,
        typer.Option(
            "--no-release-command",
            help="Run no release command, even if the project or the source sets one.",
            show_default=False,
        ),
    ] = False,
    command: Annotated[str, setting_option("command")] = "",
    protocol: Annotated[str, setting_option("protocol")] = "",
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Environment variable for this deployment only; repeatable."),
    ] = None,
    idempotency_key: Annotated[
        str, typer.Option(help="Repeating the command with the same key creates no second deployment.")
    ] = "",
    wait: Annotated[
        bool, typer.Option(" /--no-wait", help="Return when the deployment is recorded.", show_default=False)
    ] = True,
    timeout: TimeoutOption = "15m",
) -> None:
    """Deploy a folder, a tar, an image or a git repository, and wait until it is ready."""
    patience = parse_duration(timeout)
    session = session_of(context)
    origin = parse_origin(what, git, ref)
    revision = revision_of(origin.folder) if origin.folder else Revision()
    request = pb.CreateDeploymentRequest(
        project=project,
        environment=environment,
        image=origin.image,
        git=pb.GitSource(url=origin.git_url, ref=ref) if origin.git_url else None,
        # For a repository, ctrl derives branch and commit from the ref.
        branch=branch or revision.branch or ("" if origin.git_url else DEFAULT_BRANCH),
        commit=commit or revision.commit,
        message=message,
        replicas=replicas,
        cpu_millicores=cpu,
        memory_mib=memory,
        health_path=health_path,
        port=port,
        stop_seconds=stop_seconds,
        ready_seconds=ready_seconds,
        release_command=parse_command(release_command),
        no_release_command=no_release_command,
        command=parse_command(command),
        protocol=protocol,
        idempotency_key=idempotency_key,
        variables=parse_variables(env or []),
    )
    if origin.folder or origin.archive:
        request.source = _upload(session, origin)
    deployment = session.run(lambda client: client.create_deployment(request))
    if not wait:
        session.show(deployment, result_text(deployment))
        return
    _watch(session, deployment.id, patience)


@app.command()
def watch(context: typer.Context, deployment: DeploymentArgument, timeout: TimeoutOption = "15m") -> None:
    """Follow a deployment until it ends."""
    session = session_of(context)
    session.run(lambda client: client.get_deployment(deployment))
    _watch(session, deployment, parse_duration(timeout))


@app.command()
def rollback(
    context: typer.Context,
    project: ProjectOption,
    deployment: Annotated[
        str,
        typer.Argument(help="Deployment to go back to. Default: the one that was live before.", metavar="[DEPLOYMENT]"),
    ] = "",
    dry_run: DryRunOption = False,
    no_preempt: NoPreemptOption = False,
    reason: ReasonOption = "",
) -> None:
    """Move live back to an earlier deployment at once. Cancels running deployments."""
    session = session_of(context)
    options = MoveOptions(dry_run=dry_run, no_preempt=no_preempt, reason=reason)
    response = session.run(lambda client: client.rollback(project, deployment, **options))
    session.show(response, moved_text(response))


@app.command()
def promote(
    context: typer.Context,
    deployment: DeploymentArgument,
    project: ProjectOption,
    dry_run: DryRunOption = False,
    no_preempt: NoPreemptOption = False,
    reason: ReasonOption = "",
) -> None:
    """Make a ready deployment live and end the rolled-back state. Cancels running deployments."""
    session = session_of(context)
    options = MoveOptions(dry_run=dry_run, no_preempt=no_preempt, reason=reason)
    response = session.run(lambda client: client.promote(project, deployment, **options))
    session.show(response, moved_text(response))


@app.command()
def cancel(
    context: typer.Context,
    deployment: DeploymentArgument,
    reason: ReasonOption = "",
) -> None:
    """Ask a running deployment to stop and undo its steps. `interlock watch` waits for the end."""
    session = session_of(context)
    response = session.run(lambda client: client.cancel_deployment(deployment, reason))
    verb = "is being cancelled" if response.cancelling else f"has already ended: {status_of(response.deployment)}"
    session.show(response, f"{deployment} {verb}")


@app.command()
def status(context: typer.Context, project: ProjectOption) -> None:
    """Show a project as recorded in the database: live, newest deployments, domains, gateways."""
    session = session_of(context)
    response = session.run(lambda client: client.project_status(project))
    session.show(response, project_status_text(response))


@app.command("ls")
def list_deployments(
    context: typer.Context,
    project: ProjectOption,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Maximum number of lines.")] = 20,
) -> None:
    """List a project's deployments, newest first."""
    session = session_of(context)
    response = session.run(lambda client: client.list_deployments(project, limit))
    session.show(response, deployments_table(response.deployments))


@app.command()
def audit(
    context: typer.Context,
    project: ProjectOption,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Maximum number of lines.")] = 50,
) -> None:
    """List the changes to a project with time, user and reason, newest first."""
    session = session_of(context)
    response = session.run(lambda client: client.list_transitions(project, limit))
    session.show(response, transitions_table(response.transitions))


@app.command()
def show(context: typer.Context, deployment: DeploymentArgument) -> None:
    """Show all details of a deployment."""
    session = session_of(context)
    found = session.run(lambda client: client.get_deployment(deployment))
    session.show(found, deployment_text(found))


@app.command()
def logs(
    context: typer.Context,
    deployment: DeploymentArgument,
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


@app.command()
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


def _upload(session: Session, origin: Origin) -> str:
    with tempfile.TemporaryFile() as archive:
        if origin.folder:
            pack(origin.folder, archive)
        if origin.archive:
            with sys.stdin.buffer if origin.archive == STDIN else origin.archive.open("rb") as packed:
                copy_archive(packed, archive)
        session.err.print(f"uploading {origin.folder or origin.archive} ({archive.tell() / 1024:.0f} KiB)")
        archive.seek(0)

        async def upload(client: ControlClient) -> str:
            return await client.upload_source(_chunks(archive))

        return session.run(upload)


async def _chunks(archive: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := archive.read(CHUNK_BYTES):
        yield chunk


def _watch(session: Session, deployment_id: str, timeout: timedelta) -> None:
    try:
        session.err.print(f"following {deployment_id}")
        deployment = session.run(lambda client: follow(client, deployment_id, session.err, timeout))
    except KeyboardInterrupt:
        session.err.print(still_running(deployment_id))
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    session.show(deployment, result_text(deployment))
    raise typer.Exit(of_ended(deployment))


def _moment_before(duration: timedelta) -> int:
    """Milliseconds since the epoch."""
    return int((datetime.now(UTC) - duration).timestamp() * 1000)


def _follow_logs(session: Session, request: pb.FollowLogsRequest) -> None:
    def show(line: pb.FollowLogsResponse) -> None:
        session.show_line(line, followed_line(line))

    def say(text: str) -> None:
        session.err.print(printable(text))

    try:
        session.run(lambda client: follow_logs(client, request, show, say))
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def main() -> int:
    """Run the command line; print an error as one line on stderr and return its exit code."""
    # All loaded modules are needed to the end: without this the garbage collector scans them at exit.
    gc.freeze()
    try:
        app(hoist(sys.argv[1:], GLOBAL_OPTIONS), prog_name="interlock")
    except InterlockError as error:
        typer.secho(f"error: {printable(error.message)}", err=True, fg="red")
        return of_error(error)
    except OSError as error:
        typer.secho(f"error: {printable(str(error))}", err=True, fg="red")
        return ExitCode.ERROR
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
