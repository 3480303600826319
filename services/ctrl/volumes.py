"""API methods for volumes. krane has them, by environment."""

from services.ctrl import defaults
from services.ctrl.checks import check_project, check_workspace
from services.db.engine import Database
from services.db.projects import find_environment, find_project, list_environments
from services.domain.ids import check_slug
from services.domain.volumes import check_volume_name
from services.gen.ctrl.v1 import control_pb2 as pb
from services.krane.client import KraneClient


class VolumeApi:
    """The methods of ctrl.v1.ControlService for volumes."""

    def __init__(self, database: Database, krane: KraneClient) -> None:
        self._database = database
        self._krane = krane

    async def ListVolumes(self, request: pb.ListVolumesRequest) -> pb.ListVolumesResponse:
        """List the volumes of a project."""
        async with self._database.read() as session:
            project = await find_project(session, check_workspace(request.workspace), check_project(request.project))
            slugs = {one.id: one.slug for one in await list_environments(session, project.id)}
        volumes = [one for one in await self._krane.list_volumes(project.workspace_id) if one.scope in slugs]
        return pb.ListVolumesResponse(
            volumes=[pb.Volume(environment=slugs[one.scope], name=one.name, used_by=one.used_by) for one in volumes]
        )

    async def RemoveVolume(self, request: pb.RemoveVolumeRequest) -> pb.RemoveVolumeResponse:
        """Remove a volume with everything in it, if no deployment that uses it runs."""
        name = check_volume_name(request.name)
        slug = check_slug("environment", request.environment or defaults.ENVIRONMENT)
        async with self._database.read() as session:
            project = await find_project(session, check_workspace(request.workspace), check_project(request.project))
            environment = await find_environment(session, project, slug)
        await self._krane.delete_volume(project.workspace_id, environment.id, name)
        return pb.RemoveVolumeResponse()
