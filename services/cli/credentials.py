"""`interlock credentials`: what private registries and git servers are asked with."""

from typing import Annotated

import typer

from services.cli.arguments import read_secret
from services.cli.render import registry_credentials_table
from services.cli.session import session_of
from services.domain.images import MAX_PASSWORD_BYTES

credentials_app = typer.Typer(
    no_args_is_help=True,
    help="Credentials of the workspace for private registries, and git servers over https: set, never shown.",
)

HostArgument = Annotated[
    str,
    typer.Argument(metavar="HOST", help="host[:port] as in images or URLs of repositories; docker.io for Docker Hub."),
]


@credentials_app.command("ls")
def list_credentials(context: typer.Context) -> None:
    """List the hosts, their usernames, and when they were set."""
    session = session_of(context)
    response = session.run(lambda client: client.list_registry_credentials())
    session.show(response, registry_credentials_table(response.credentials))


@credentials_app.command("set")
def set_credential(
    context: typer.Context,
    host: HostArgument,
    username: Annotated[
        str, typer.Option("-u", "--username", help="As the host knows it; with an access token, some take any.")
    ],
) -> None:
    """Set the password or token to what is typed unseen, or to standard input. Never to an argument: others see those.

    It counts at once, for all deployments and builds of the workspace that pull or fetch from then on.
    """
    session, password = session_of(context), read_secret(f"password of {username} at {host}", MAX_PASSWORD_BYTES)
    response = session.run(lambda client: client.set_registry_credential(host, username, password))
    session.show(response, registry_credentials_table([response.credential]))


@credentials_app.command("rm")
def remove_credential(context: typer.Context, host: HostArgument) -> None:
    """Ask a host without a credential from now on; what was pulled or fetched stays."""
    session = session_of(context)
    response = session.run(lambda client: client.remove_registry_credential(host))
    session.show(response, f"removed: {host}")
