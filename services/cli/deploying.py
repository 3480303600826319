"""`interlock deploy` and `watch`: create a deployment, and follow it until it ends."""

import os
import sys
import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import IO, Annotated

import typer

from services.cli.arguments import (
    ORIGIN,
    PROJECT_HELP,
    STDIN,
    DeploymentArgument,
    EnvironmentOption,
    Origin,
    parse_command,
    parse_duration,
    parse_origin,
    parse_variables,
)
from services.cli.exit_codes import ExitCode, of_ended
from services.cli.first_answer import first_answer
from services.cli.git import DEFAULT_BRANCH, Revision, revision_of
from services.cli.packing import CHUNK_BYTES, copy_archive, pack
from services.cli.progress import follow, still_running
from services.cli.project import find_project, no_project
from services.cli.render import printable, result_text
from services.cli.selecting import readable_bytes, select
from services.cli.session import Session, session_of
from services.cli.setting_options import (
    CommandOption,
    CpuOption,
    HealthPathOption,
    MemoryOption,
    NoReleaseCommandOption,
    OpenapiBreakingOption,
    PortOption,
    ProtocolOption,
    ReadySecondsOption,
    ReleaseCommandOption,
    ReplicasOption,
    StopSecondsOption,
    VolumeOption,
)
from services.ctrl import defaults
from services.ctrl.client import ControlClient
from services.domain.ci import ci_revision
from services.gen.ctrl.v1 import control_pb2 as pb

TimeoutOption = Annotated[
    str, typer.Option(help="How long to wait, such as 90s or 15m. The deployment goes on after that.")
]

MessageOption = Annotated[str, typer.Option("-m", "--message", help="Description, shown in lists.")]
EnvOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Environment variable for this deployment only; repeatable."),
]
IdempotencyKeyOption = Annotated[
    str, typer.Option(help="Repeating the command with the same key creates no second deployment.")
]
NoWaitOption = Annotated[
    bool, typer.Option("--no-wait", help="Return when the deployment is recorded.", show_default=False)
]


def deploy(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            help="What to deploy: a source folder, a tar of one (- reads standard input), an image, or the URL of a "
            "git repository.",
            metavar=ORIGIN,
        ),
    ] = "",
    project: Annotated[str, typer.Option("-p", "--project", help=PROJECT_HELP)] = "",
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
            help="Branch that the deployment belongs to. Default: the folder's git branch, or the one that the CI "
            "system names; main outside of both; for a git repository the ref."
        ),
    ] = "",
    commit: Annotated[
        str, typer.Option(help="Commit that the deployment belongs to. Default: the folder's git commit.")
    ] = "",
    message: MessageOption = "",
    replicas: ReplicasOption = None,
    cpu: CpuOption = None,
    memory: MemoryOption = None,
    health_path: HealthPathOption = "",
    port: PortOption = None,
    stop_seconds: StopSecondsOption = None,
    ready_seconds: ReadySecondsOption = None,
    release_command: ReleaseCommandOption = "",
    no_release_command: NoReleaseCommandOption = False,
    command: CommandOption = "",
    protocol: ProtocolOption = "",
    openapi_breaking: OpenapiBreakingOption = "",
    volume: VolumeOption = None,
    env: EnvOption = None,
    idempotency_key: IdempotencyKeyOption = "",
    no_wait: NoWaitOption = False,
    timeout: TimeoutOption = "15m",
) -> None:
    """Deploy a folder, a tar, an image or a git repository, and wait until it is ready."""
    patience = parse_duration(timeout)
    session = session_of(context)
    origin = parse_origin(what, git, ref)
    project = project or find_project(origin.folder or Path.cwd(), os.environ)
    if not project:
        raise no_project()
    revision = _revision(session, origin, branch)
    request = pb.CreateDeploymentRequest(
        project=project,
        environment=environment,
        image=origin.image,
        git=pb.GitSource(url=origin.git_url, ref=ref) if origin.git_url else None,
        branch=revision.branch,
        commit=commit or revision.commit,
        is_dirty=revision.is_dirty,
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
        openapi_breaking=openapi_breaking,
        volumes=volume or [],
        idempotency_key=idempotency_key,
        variables=parse_variables(env or []),
    )
    if origin.folder or origin.archive:
        # Refuses an unknown project or environment before anything is sent.
        session.run(lambda client: client.list_variables(project, environment))
        request.source = _upload(session, origin)
    deployment = session.run(lambda client: client.create_deployment(request))
    if no_wait:
        session.show(deployment, result_text(deployment))
        return
    watch_to_end(session, deployment.id, patience)


def watch(context: typer.Context, deployment: DeploymentArgument, timeout: TimeoutOption = "15m") -> None:
    """Follow a deployment until it ends."""
    session = session_of(context)
    session.run(lambda client: client.get_deployment(deployment))
    watch_to_end(session, deployment, parse_duration(timeout))


def _upload(session: Session, origin: Origin) -> str:
    with tempfile.TemporaryFile() as archive:
        what = str(origin.folder or origin.archive)
        if origin.folder:
            selection = select(origin.folder)
            pack(selection, archive)
            for remark in selection.remarks:
                session.err.print(printable(remark))
            what += f": {selection.summary()}"
        if origin.archive:
            with sys.stdin.buffer if origin.archive == STDIN else origin.archive.open("rb") as packed:
                copy_archive(packed, archive)
        session.err.print(printable(f"uploading {what} ({readable_bytes(archive.tell())} packed)"))
        archive.seek(0)

        async def upload(client: ControlClient) -> str:
            return await client.upload_source(_chunks(archive))

        return session.run(upload)


def _revision(session: Session, origin: Origin, branch: str) -> Revision:
    """Return what the deployment belongs to. For a git repository ctrl derives branch and commit from the ref."""
    if origin.git_url:
        return Revision(branch=branch)
    if not origin.folder:
        return Revision(branch=branch or ci_revision(os.environ).branch or DEFAULT_BRANCH)
    revision = revision_of(origin.folder, branch, os.environ)
    for remark in revision.remarks:
        session.err.print(printable(remark))
    return revision


async def _chunks(archive: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := archive.read(CHUNK_BYTES):
        yield chunk


def watch_to_end(session: Session, deployment_id: str, timeout: timedelta) -> None:
    """Follow a deployment, show its result, and exit with its code."""
    try:
        session.err.print(f"following {deployment_id}")
        deployment = session.run(lambda client: follow(client, deployment_id, session.err, timeout))
    except KeyboardInterrupt:
        session.err.print(still_running(deployment_id))
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    deployment.warnings.extend(first_answer(deployment, session.host))
    session.show(deployment, result_text(deployment))
    raise typer.Exit(of_ended(deployment))
