"""API methods for projects and their domains."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.ctrl.checks import check_limit, check_project, check_workspace
from services.ctrl.messages import (
    deployment_message,
    domain_message,
    environment_message,
    gateway_message,
    project_message,
    transition_message,
)
from services.ctrl.troubles import LiveTroubles
from services.db.audit import list_transitions
from services.db.engine import Database
from services.db.gateways import list_gateways
from services.db.operations import previous_live_deployment
from services.db.projects import create_project, find_project, list_environments, list_projects
from services.db.routes import read_revision
from services.db.tables import Project
from services.db.views import latest_deployments, list_project_domains
from services.domain.ids import check_slug
from services.gen.ctrl.v1 import control_pb2 as pb
from services.krane.client import KraneClient


class ProjectApi:
    """The methods of ctrl.v1.ControlService for projects."""

    def __init__(self, database: Database, krane: KraneClient, gateway_port: int) -> None:
        self._database = database
        self._troubles = LiveTroubles(krane)
        self._gateway_port = gateway_port

    async def CreateProject(self, request: pb.CreateProjectRequest) -> pb.CreateProjectResponse:
        """Create a project with environments production and preview; raises Conflict if the slug is taken."""
        workspace = check_workspace(request.workspace)
        slug = check_slug("project", request.slug)
        async with self._database.write() as session:
            project = await create_project(session, workspace, slug)
            return pb.CreateProjectResponse(project=await _project(session, project, workspace))

    async def ListProjects(self, request: pb.ListProjectsRequest) -> pb.ListProjectsResponse:
        """List the projects of a workspace."""
        workspace = check_workspace(request.workspace)
        async with self._database.read() as session:
            projects = await list_projects(session, workspace)
            return pb.ListProjectsResponse(
                projects=[await _project(session, project, workspace) for project in projects]
            )

    async def GetProjectStatus(self, request: pb.GetProjectStatusRequest) -> pb.GetProjectStatusResponse:
        """Return a project as recorded, what each gateway has acknowledged, and what is wrong with live."""
        workspace = check_workspace(request.workspace)
        async with self._database.read() as session:
            project = await find_project(session, workspace, check_project(request.project))
            status = pb.GetProjectStatusResponse(
                project=await _project(session, project, workspace),
                environments=await self._environments(session, project),
                routing_revision=await read_revision(session),
                gateways=[gateway_message(gateway) for gateway in await list_gateways(session)],
                previous_live_deployment_id=await previous_live_deployment(session, project.id) or "",
            )
        status.troubles.extend(await self._troubles.find([project]))
        return status

    async def ListDomains(self, request: pb.ListDomainsRequest) -> pb.ListDomainsResponse:
        """List the domains of a project."""
        workspace = check_workspace(request.workspace)
        async with self._database.read() as session:
            project = await find_project(session, workspace, check_project(request.project))
            domains = await list_project_domains(session, project.id)
        return pb.ListDomainsResponse(domains=[domain_message(view, self._gateway_port) for view in domains])

    async def ListTransitions(self, request: pb.ListTransitionsRequest) -> pb.ListTransitionsResponse:
        """List the changes to a project with time, actor and reason, newest first."""
        workspace = check_workspace(request.workspace)
        limit = check_limit("limit", request.limit, default=50, highest=200)
        async with self._database.read() as session:
            project = await find_project(session, workspace, check_project(request.project))
            transitions = await list_transitions(session, project.id, limit)
        return pb.ListTransitionsResponse(transitions=[transition_message(entry) for entry in transitions])

    async def _environments(self, session: AsyncSession, project: Project) -> list[pb.EnvironmentStatus]:
        latest = await latest_deployments(session, project.id)
        domains = await list_project_domains(session, project.id)
        return [
            pb.EnvironmentStatus(
                environment=environment_message(environment),
                latest=deployment_message(latest[environment.id]) if environment.id in latest else None,
                domains=[domain_message(d, self._gateway_port) for d in domains if d.environment.id == environment.id],
            )
            for environment in await list_environments(session, project.id)
        ]


async def _project(session: AsyncSession, project: Project, workspace: str) -> pb.Project:
    return project_message(project, workspace, await list_environments(session, project.id))
