"""`interlock volumes`: what is kept over deployments."""

from typing import Annotated

import typer

from services.cli.arguments import EnvironmentOption, ProjectOption
from services.cli.render import volumes_table
from services.cli.session import session_of
from services.ctrl import defaults

volumes_app = typer.Typer(no_args_is_help=True, help="Folders that are kept over deployments.")


@volumes_app.command("ls")
def list_volumes(context: typer.Context, project: ProjectOption) -> None:
    """List the volumes of a project, and the deployments that run with them."""
    session = session_of(context)
    response = session.run(lambda client: client.list_volumes(project))
    session.show(response, volumes_table(response.volumes))


@volumes_app.command("rm")
def remove_volume(
    context: typer.Context,
    name: Annotated[str, typer.Argument(show_default=False, help="Name of the volume.")],
    project: ProjectOption,
    environment: EnvironmentOption = defaults.ENVIRONMENT,
) -> None:
    """Remove a volume with everything in it; refused while a deployment with it runs."""
    session = session_of(context)
    response = session.run(lambda client: client.remove_volume(project, name, environment))
    session.show(response, f"removed: {name}")
