"""The deployment that a command means: named by its id, or the live one of a project."""

from services.ctrl.client import ControlClient
from services.domain.errors import Invalid, PreconditionFailed

PROJECT_OR_ID = "PROJECT|ID"
# A slug has no underscore.
_ID_PREFIX = "d_"


async def find_target(client: ControlClient, what: str, project: str) -> str:
    """Return the id of a deployment: `what` if it is one, else the live one of the project.

    The project is named by `what` or by `project`. Raises Invalid unless exactly one of them is given, NotFound for an
    unknown project, PreconditionFailed if nothing is live.
    """
    if bool(what) == bool(project):
        raise Invalid("name a project or the id of a deployment, once; `interlock project ls` lists the projects")
    if what.startswith(_ID_PREFIX):
        return what
    status = await client.project_status(what or project)
    if not status.project.live_deployment_id:
        raise PreconditionFailed(f"project {status.project.slug!r} has no live deployment; deploy to production first")
    return status.project.live_deployment_id
