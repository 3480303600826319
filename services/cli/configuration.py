"""`interlock env` and `interlock secrets`: what new deployments find in their environment."""

import sys
from typing import Annotated

import typer

from services.cli.arguments import ProjectOption, parse_variables
from services.cli.render import secrets_table, variables_table
from services.cli.session import session_of
from services.ctrl import defaults
from services.domain.variables import MAX_VALUE_BYTES

NEXT = "the next deployment of {} gets it: deploy again"

env_app = typer.Typer(no_args_is_help=True, help="Environment variables of the deployments that follow.")
secrets_app = typer.Typer(no_args_is_help=True, help="Secret environment variables: set, never shown.")

EnvironmentOption = Annotated[str, typer.Option("-e", "--environment")]
NamesArgument = Annotated[list[str], typer.Argument(metavar="NAME...", show_default=False)]


@env_app.command("ls")
def list_variables(
    context: typer.Context, project: ProjectOption, environment: EnvironmentOption = defaults.ENVIRONMENT
) -> None:
    """List the variables."""
    session = session_of(context)
    response = session.run(lambda client: client.list_variables(project, environment))
    session.show(response, variables_table(response.variables))


@env_app.command("set")
def set_variables(
    context: typer.Context,
    assignments: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", show_default=False)],
    project: ProjectOption,
    environment: EnvironmentOption = defaults.ENVIRONMENT,
) -> None:
    """Add or replace variables. What must stay secret belongs into `interlock secrets`."""
    session, variables = session_of(context), parse_variables(assignments)
    response = session.run(lambda client: client.set_variables(project, variables, environment))
    session.show(response, NEXT.format(environment))


@env_app.command("rm")
def remove_variables(
    context: typer.Context,
    names: NamesArgument,
    project: ProjectOption,
    environment: EnvironmentOption = defaults.ENVIRONMENT,
) -> None:
    """Remove variables; deployments that have them keep them."""
    session = session_of(context)
    response = session.run(lambda client: client.remove_variables(project, names, environment))
    session.show(response, f"removed: {', '.join(names)}")


@secrets_app.command("ls")
def list_secrets(
    context: typer.Context, project: ProjectOption, environment: EnvironmentOption = defaults.ENVIRONMENT
) -> None:
    """List the names of the secrets, and when they were set."""
    session = session_of(context)
    response = session.run(lambda client: client.list_secrets(project, environment))
    session.show(response, secrets_table(response.secrets))


@secrets_app.command("set")
def set_secret(
    context: typer.Context,
    name: Annotated[str, typer.Argument(show_default=False)],
    project: ProjectOption,
    environment: EnvironmentOption = defaults.ENVIRONMENT,
) -> None:
    """Set a secret to what is typed unseen, or to standard input. Never to an argument: others see those."""
    session, value = session_of(context), _read_secret(name)
    response = session.run(lambda client: client.set_secrets(project, {name: value}, environment))
    session.show(response, NEXT.format(environment))


@secrets_app.command("rm")
def remove_secrets(
    context: typer.Context,
    names: NamesArgument,
    project: ProjectOption,
    environment: EnvironmentOption = defaults.ENVIRONMENT,
) -> None:
    """Give secrets to no further deployment; those that have them keep them."""
    session = session_of(context)
    response = session.run(lambda client: client.remove_secrets(project, names, environment))
    session.show(response, f"removed: {', '.join(names)}")


def _read_secret(name: str) -> str:
    """One line break at the end of standard input is no part of the value."""
    if sys.stdin.isatty():
        value: str = typer.prompt(name, hide_input=True, err=True)
        return value
    # One character too many is enough for the value to be refused, however long the input is.
    return sys.stdin.read(MAX_VALUE_BYTES + 2).removesuffix("\n")
