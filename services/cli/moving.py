"""`interlock rollback`, `promote` and `cancel`: move live, and stop deployments."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer
from rich.prompt import Confirm

from services.cli.arguments import DeploymentArgument, ProjectOption
from services.cli.render import moved_text
from services.cli.session import Session, session_of
from services.cli.targets import newest_ready
from services.ctrl.client import MoveOptions
from services.ctrl.enums import status_of
from services.gen.ctrl.v1 import control_pb2 as pb

Moved = pb.RollbackResponse | pb.PromoteResponse

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would move, without moving it.", show_default=False)
]
NoPreemptOption = Annotated[
    bool,
    typer.Option("--no-preempt", help="Wait for running deployments instead of cancelling them.", show_default=False),
]
YesOption = Annotated[
    bool, typer.Option("-y", "--yes", help="Do not ask on a terminal whether to go on.", show_default=False)
]
ReasonOption = Annotated[str, typer.Option(help="Why; recorded with your name, see `interlock audit`.")]


def _move(
    session: Session, move: Callable[[str, MoveOptions], Moved], target: str, options: MoveOptions, *, yes: bool
) -> None:
    """Move live; on a terminal show first what would move, and ask."""
    if sys.stdin.isatty() and not yes and not options.get("dry_run"):
        planned = move(target, MoveOptions(**options | {"dry_run": True}))
        session.err.print(moved_text(planned))
        if not Confirm.ask("Go on?", console=session.err, default=False):
            raise typer.Abort
        # What was shown is what moves, also if live has moved meanwhile.
        target = planned.target_deployment_id
    response = move(target, options)
    session.show(response, moved_text(response))


def rollback(
    context: typer.Context,
    project: ProjectOption,
    deployment: Annotated[
        str,
        typer.Argument(help="Deployment to go back to. Default: the one that was live before.", metavar="[DEPLOYMENT]"),
    ] = "",
    dry_run: DryRunOption = False,
    no_preempt: NoPreemptOption = False,
    yes: YesOption = False,
    reason: ReasonOption = "",
) -> None:
    """Move live back to an earlier deployment at once. Cancels running deployments."""
    session = session_of(context)
    options = MoveOptions(dry_run=dry_run, no_preempt=no_preempt, reason=reason)

    def move(target: str, options: MoveOptions) -> Moved:
        return session.run(lambda client: client.rollback(project, target, **options))

    _move(session, move, deployment, options, yes=yes)


def promote(
    context: typer.Context,
    project: ProjectOption,
    deployment: Annotated[
        str,
        typer.Argument(help="Deployment to make live. Default: the newest ready one.", metavar="[DEPLOYMENT]"),
    ] = "",
    dry_run: DryRunOption = False,
    no_preempt: NoPreemptOption = False,
    yes: YesOption = False,
    reason: ReasonOption = "",
) -> None:
    """Make a ready deployment live and end the rolled-back state. Cancels running deployments."""
    session = session_of(context)
    options = MoveOptions(dry_run=dry_run, no_preempt=no_preempt, reason=reason)
    target = deployment or session.run(lambda client: newest_ready(client, project))

    def move(target: str, options: MoveOptions) -> Moved:
        return session.run(lambda client: client.promote(project, target, **options))

    _move(session, move, target, options, yes=yes)


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
