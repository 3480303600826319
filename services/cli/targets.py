"""The deployment that a command means: named by its id, or the live one of a project."""

from typing import Annotated

import typer

from services.cli.project import default_project
from services.ctrl import defaults
from services.ctrl.client import ControlClient
from services.domain.errors import Invalid, PreconditionFailed
from services.gen.ctrl.v1 import control_pb2 as pb

TargetArgument = Annotated[
    str, typer.Argument(help="Project (its live deployment), or id of a deployment.", metavar="[PROJECT|ID]")
]
SameProjectOption = Annotated[str, typer.Option("-p", "--project", help="Same as naming the project as the argument.")]
# A slug has no underscore.
_ID_PREFIX = "d_"
# Deployments among which the newest ready one is looked for; the most that ctrl lists.
_LOOK_AT = 200


async def find_target(client: ControlClient, what: str, project: str) -> str:
    """Return the id of a deployment: `what` if it is one, else the live one of the project.

    The project is named by `what` or by `project`, else it is that of the current folder. Raises Invalid if both are
    given, BadParameter if there is no project, NotFound for an unknown one, PreconditionFailed if nothing is live.
    """
    if what and project:
        raise Invalid("name a project or the id of a deployment, once; `interlock project ls` lists the projects")
    if what.startswith(_ID_PREFIX):
        return what
    status = await client.project_status(what or project or default_project())
    if not status.project.live_deployment_id:
        raise PreconditionFailed(f"project {status.project.slug!r} has no live deployment; deploy to production first")
    return status.project.live_deployment_id


async def newest_ready(client: ControlClient, project: str) -> str:
    """Return the id of the project's newest production deployment that could become live.

    Raises PreconditionFailed if there is none, NotFound for an unknown project.
    """
    found = (await client.list_deployments(project, _LOOK_AT)).deployments
    ready = (
        one.id for one in found if one.status == pb.DEPLOYMENT_STATUS_READY and one.environment == defaults.ENVIRONMENT
    )
    if newest := next(ready, ""):
        return newest
    raise PreconditionFailed(f"project {project!r} has no ready deployment; `interlock ls -p {project}` lists all")
