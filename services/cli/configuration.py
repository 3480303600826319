"""`interlock config`, `env` and `secrets`: settings and environment variables of new deployments."""

from typing import Annotated

import typer
from google.protobuf import json_format

from services.cli.arguments import EnvironmentOption, ProjectOption, parse_command, parse_variables, read_secret
from services.cli.render import secrets_table, settings_table, variables_table
from services.cli.session import session_of
from services.ctrl import defaults
from services.domain.settings import LISTS, SETTING_NAMES
from services.domain.variables import MAX_VALUE_BYTES
from services.gen.ctrl.v1 import control_pb2 as pb

NEXT = "applies to the next deployment of {}: deploy again"

config_app = typer.Typer(no_args_is_help=True, help="Settings of a project, used by new deployments.")
env_app = typer.Typer(no_args_is_help=True, help="Environment variables of a project, used by new deployments.")
secrets_app = typer.Typer(
    no_args_is_help=True, help="Secret environment variables, used by new deployments; values are never shown."
)

NamesArgument = Annotated[list[str], typer.Argument(metavar="NAME...", show_default=False, help="Names to remove.")]
AssignmentsArgument = Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", show_default=False)]


@config_app.command("ls")
def list_settings(context: typer.Context, project: ProjectOption) -> None:
    """List the project's settings. Others come from the source or are defaults."""
    session = session_of(context)
    response = session.run(lambda client: client.get_settings(project))
    session.show(response, settings_table(response.settings))


@config_app.command("set")
def set_settings(
    context: typer.Context,
    assignments: Annotated[
        list[str],
        typer.Argument(metavar="NAME=VALUE...", help=f"Names: {', '.join(SETTING_NAMES)}.", show_default=False),
    ],
    project: ProjectOption,
) -> None:
    """Set the project's settings for new deployments.

    A command is split into arguments as a shell does, and run without a shell.
    `release_command=` disables the release command even if the source sets one; `interlock config rm` lets the
    source decide again.
    """
    session, settings = session_of(context), _parse_settings(assignments)
    response = session.run(lambda client: client.set_settings(project, settings))
    session.show(response, settings_table(response.settings))


@config_app.command("rm")
def remove_settings(context: typer.Context, names: NamesArgument, project: ProjectOption) -> None:
    """Remove settings; the source or the defaults apply again."""
    session = session_of(context)
    response = session.run(lambda client: client.remove_settings(project, names))
    session.show(response, settings_table(response.settings))


@env_app.command("ls")
def list_variables(
    context: typer.Context, project: ProjectOption, environment: EnvironmentOption = defaults.ENVIRONMENT
) -> None:
    """List the variables and their values."""
    session = session_of(context)
    response = session.run(lambda client: client.list_variables(project, environment))
    session.show(response, variables_table(response.variables))


@env_app.command("set")
def set_variables(
    context: typer.Context,
    assignments: AssignmentsArgument,
    project: ProjectOption,
    environment: EnvironmentOption = defaults.ENVIRONMENT,
) -> None:
    """Add or replace variables. Use `interlock secrets` for secret values."""
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
    """Remove variables. Existing deployments keep them."""
    session = session_of(context)
    response = session.run(lambda client: client.remove_variables(project, names, environment))
    session.show(response, f"removed: {', '.join(names)}")


@secrets_app.command("ls")
def list_secrets(
    context: typer.Context, project: ProjectOption, environment: EnvironmentOption = defaults.ENVIRONMENT
) -> None:
    """List the names of the secrets, with version and time."""
    session = session_of(context)
    response = session.run(lambda client: client.list_secrets(project, environment))
    session.show(response, secrets_table(response.secrets))


@secrets_app.command("set")
def set_secret(
    context: typer.Context,
    name: Annotated[str, typer.Argument(show_default=False, help="Name of the environment variable.")],
    project: ProjectOption,
    environment: EnvironmentOption = defaults.ENVIRONMENT,
) -> None:
    """Set a secret; its value is read from a hidden prompt or standard input.

    It is never an argument, because other users of the machine can see arguments.
    """
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
    """Remove secrets. Existing deployments keep them."""
    session = session_of(context)
    response = session.run(lambda client: client.remove_secrets(project, names, environment))
    session.show(response, f"removed: {', '.join(names)}")


def _parse_settings(assignments: list[str]) -> pb.RunSettings:
    values: dict[str, str | list[str] | bool] = {}
    for name, value in parse_variables(assignments).items():
        if name == "release_command" and not value:
            values["no_release_command"] = True
        elif not value:
            raise typer.BadParameter(f"{name}= has no value; to remove the setting run `interlock config rm {name}`")
        else:
            values[name] = parse_command(value) if name in LISTS else value
    try:
        settings = json_format.ParseDict(values, pb.RunSettings())
    except json_format.ParseError as error:
        raise typer.BadParameter(f"{error}; the settings are: {', '.join(SETTING_NAMES)}") from error
    return settings
