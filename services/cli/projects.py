"""`interlock project`: create and list projects."""

from typing import Annotated

import typer

from services.cli.render import projects_table
from services.cli.session import session_of

project_app = typer.Typer(no_args_is_help=True, help="Create and list projects.")


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
