"""`interlock rollback`, `promote` and `cancel`: move live, and stop deployments."""

from typing import Annotated

import typer

from services.cli.arguments import DeploymentArgument, ProjectOption
from services.cli.render import moved_text
from services.cli.session import session_of
from services.ctrl.client import MoveOptions
from services.ctrl.enums import status_of

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would move, without moving it.", show_default=False)
]
NoPreemptOption = Annotated[
    bool,
    typer.Option("--no-preempt", help="Wait for running deployments instead of cancelling them.", show_default=False),
]
ReasonOption = Annotated[str, typer.Option(help="Why; recorded with your name, see `interlock audit`.")]


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
