"""`interlock config`, `env` and `secrets`: what new deployments are run with, and find in their environment."""

from typing import Annotated

import typer
from google.protobuf import json_format

from services.cli.arguments import ProjectOption, parse_command, parse_variables, read_secret
from services.cli.render import secrets_table, settings_table, variables_table
from services.cli.session import session_of
from services.ctrl import defaults
from services.domain.settings import COMMANDS, SETTING_NAMES
from services.domain.variables import MAX_VALUE_BYTES
from services.gen.ctrl.v1 import control_pb2 as pb

NEXT = "the next deployment of {} gets it: deploy again"

config_app = typer.Typer(no_args_is_help=True, help="Settings of the deployments that follow.")
env_app = typer.Typer(no_args_is_help=True, help="Environment variables of the deployments that follow.")
secrets_app = typer.Typer(no_args_is_help=True, help="Secret environment variables: set, never shown.")

EnvironmentOption = Annotated[str, typer.Option("-e", "--environment")]
NamesArgument = Annotated[list[str], typer.Argument(metavar="NAME...", show_default=False)]


@config_app.command("ls")
def list_settings(context: typer.Context, project: ProjectOption) -> None:
    """List the settings of a project; what is not set is as the source says, or a default."""
    session = session_of(context)
    response = session.run(lambda client: client.get_settings(project))
    session.show(response, settings_table(response.settings))


@config_app.command("set")
def set_settings(
    context: typer.Context,
    assignments: Annotated[
        list[str],
        typer.Argument(metavar="NAME=VALUE...", help=f"Names are {', '.join(SETTING_NAMES)}.", show_default=False),
    ],
    project: ProjectOption,
) -> None:
    """Set what the deployments that follow are run with.

    A command is split into arguments as a shell would, and run without one.
    `release_command=` says that there is none, whatever the source says; `config rm` leaves it to the source.
    """
    session, settings = session_of(context), _parse_settings(assignments)
    response = session.run(lambda client: client.set_settings(project, settings))
    session.show(response, settings_table(response.settings))


@config_app.command("rm")
def remove_settings(context: typer.Context, names: NamesArgument, project: ProjectOption) -> None:
    """Leave settings to the source and the defaults."""
    session = session_of(context)
    response = session.run(lambda client: client.remove_settings(project, names))
    session.show(response, settings_table(response.settings))


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
    session, value = session_of(context), read_secret(name, MAX_VALUE_BYTES)
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


def _parse_settings(assignments: list[str]) -> pb.RunSettings:
    values: dict[str, str | list[str] | bool] = {}
    for name, value in parse_variables(assignments).items():
        if name == "release_command" and not value:
            values["no_release_command"] = True
        elif not value:
            raise typer.BadParameter(f"{name}= says nothing; to leave it to the source: `interlock config rm {name}`")
        else:
            values[name] = parse_command(value) if name in COMMANDS else value
    try:
        settings = json_format.ParseDict(values, pb.RunSettings())
    except json_format.ParseError as error:
        raise typer.BadParameter(f"{error}; settings are: {', '.join(SETTING_NAMES)}") from error
    return settings
