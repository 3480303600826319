"""Workspaces, projects and environments. A workspace is created with its first project or credential."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.clock import now_ms
from services.db.ids import new_id
from services.db.tables import Environment, Project, Workspace
from services.domain.errors import Conflict, NotFound

PRODUCTION = "production"
PREVIEW = "preview"


async def ensure_workspace(session: AsyncSession, slug: str) -> str:
    """Return the id of the workspace with that slug, creating it if needed."""
    workspace = await session.scalar(select(Workspace).where(Workspace.slug == slug))
    if workspace is None:
        workspace = Workspace(id=new_id("ws"), slug=slug, created_at_ms=now_ms())
        session.add(workspace)
        await session.flush()
    return workspace.id


async def create_project(session: AsyncSession, workspace: str, slug: str) -> Project:
    """Insert a project with its environments, and its workspace if needed. Raises Conflict if the slug is taken."""
    try:
        project = Project(
            id=new_id("p"),
            workspace_id=await ensure_workspace(session, workspace),
            slug=slug,
            live_deployment_id=None,
            is_rolled_back=False,
            last_generation=0,
            created_at_ms=now_ms(),
        )
        session.add(project)
        await session.flush()
    except IntegrityError as error:
        raise Conflict(f"project {slug!r} already exists in workspace {workspace!r}; choose another slug") from error
    for environment in (PRODUCTION, PREVIEW):
        session.add(
            Environment(
                id=new_id("env"), project_id=project.id, slug=environment, is_production=environment == PRODUCTION
            )
        )
    return project


async def find_project(session: AsyncSession, workspace: str, project: str, *, lock: bool = False) -> Project:
    """Return the project (by slug or id) of a workspace (by slug); raises NotFound.

    With `lock`, other transactions that lock the project wait until this one ends.
    """
    query = (
        select(Project)
        .join(Workspace, Project.workspace_id == Workspace.id)
        .where(Workspace.slug == workspace, (Project.slug == project) | (Project.id == project))
    )
    row = await session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound(
            f"workspace {workspace!r} has no project {project!r}; create it with `interlock project create {project}`"
        )
    return row


async def list_projects(session: AsyncSession, workspace: str) -> Sequence[Project]:
    """List the projects of a workspace (by slug), by slug; empty if there is no such workspace."""
    return (
        await session.scalars(
            select(Project)
            .join(Workspace, Project.workspace_id == Workspace.id)
            .where(Workspace.slug == workspace)
            .order_by(Project.slug)
        )
    ).all()


async def list_environments(session: AsyncSession, project_id: str) -> Sequence[Environment]:
    """List the environments of a project, production first."""
    return (
        await session.scalars(
            select(Environment)
            .where(Environment.project_id == project_id)
            .order_by(Environment.is_production.desc(), Environment.slug)
        )
    ).all()


async def find_environment(session: AsyncSession, project: Project, slug: str) -> Environment:
    """Return the environment with that slug; raises NotFound, listing the existing ones."""
    environments = await list_environments(session, project.id)
    for environment in environments:
        if environment.slug == slug:
            return environment
    known = ", ".join(environment.slug for environment in environments)
    raise NotFound(f"project {project.slug!r} has no environment {slug!r}; use one of: {known}")
