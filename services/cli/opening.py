"""`interlock open` and `version`."""

import json
from importlib.metadata import version as version_of

import typer

from services.cli.session import Output, session_of
from services.cli.targets import SameProjectOption, TargetArgument, find_target
from services.ctrl.client import ControlClient
from services.ctrl.enums import STICKY
from services.domain.errors import PreconditionFailed
from services.domain.stickiness import Sticky
from services.gen.ctrl.v1 import control_pb2 as pb


def open_url(context: typer.Context, what: TargetArgument = "", project: SameProjectOption = "") -> None:
    """Print the URL of a project or deployment, and open it in a browser if there is one."""
    session = session_of(context)

    async def read(client: ControlClient) -> pb.Deployment:
        return await client.get_deployment(await find_target(client, what, project))

    url = url_of(session.run(read))
    typer.echo(json.dumps({"url": url}) if session.output is Output.JSON else url)
    # Without a browser nothing happens; the URL is printed anyway.
    if session.out.is_terminal:
        typer.launch(url)


def version(context: typer.Context) -> None:
    """Print the version of this command line."""
    number = version_of("interlock")
    is_json = session_of(context).output is Output.JSON
    typer.echo(json.dumps({"version": number}) if is_json else f"interlock {number}")


def url_of(deployment: pb.Deployment) -> str:
    """Return the live URL of a deployment, else its first; raises PreconditionFailed if it has none."""
    if not deployment.domains:
        raise PreconditionFailed(f"{deployment.id} has no URL: `interlock show {deployment.id}` says how it ended")
    return max(deployment.domains, key=lambda one: STICKY.decode(one.sticky) == Sticky.LIVE).url
