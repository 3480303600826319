"""`interlock credentials`: credentials for private registries and git servers."""

from typing import Annotated

import typer

from services.cli.arguments import read_secret
from services.cli.render import registry_credentials_table
from services.cli.session import session_of
from services.domain.images import MAX_PASSWORD_BYTES

credentials_app = typer.Typer(
    no_args_is_help=True,
    help="Credentials for private registries and git servers (https); passwords are never shown.",
)

HostArgument = Annotated[
    str,
    typer.Argument(metavar="HOST", help="host[:port] of a registry or git server; docker.io for Docker Hub."),
]


@credentials_app.command("ls")
def list_credentials(context: typer.Context) -> None:
    """List hosts and usernames, with version and time."""
    session = session_of(context)
    response = session.run(lambda client: client.list_registry_credentials())
    session.show(response, registry_credentials_table(response.credentials))


@credentials_app.command("set")
def set_credential(
    context: typer.Context,
    host: HostArgument,
    username: Annotated[
        str, typer.Option("-u", "--username", help="User at that host; with an access token some hosts accept any.")
    ],
) -> None:
    """Set the credential of a host; the password or token is read from a hidden prompt or standard input.

    It applies at once to all deployments and builds of the workspace. It is never an argument, because other users of
    the machine can see arguments.
    """
    session, password = session_of(context), read_secret(f"password of {username} at {host}", MAX_PASSWORD_BYTES)
    response = session.run(lambda client: client.set_registry_credential(host, username, password))
    session.show(response, registry_credentials_table([response.credential]))


@credentials_app.command("rm")
def remove_credential(context: typer.Context, host: HostArgument) -> None:
    """Remove the credential of a host. Images and sources already fetched stay."""
    session = session_of(context)
    response = session.run(lambda client: client.remove_registry_credential(host))
    session.show(response, f"removed: {host}")
