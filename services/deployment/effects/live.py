"""Effects on hostnames and live: checks before routing moves them, and reads afterwards."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from services.db import deployments, domains, operations
from services.db.engine import Database
from services.db.tables import Project
from services.domain.hostnames import Naming
from services.domain.live import check_has_live, check_promote, check_rollback
from services.domain.stickiness import WantedDomain, build_domains


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The state of a deployment after its hostnames are assigned."""

    is_live: bool
    hostnames: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The deployments that live moves from and to."""

    source_id: str
    target: deployments.Metadata
    # The project's newest routing operation at the time of the decision.
    newest_operation_id: str = ""


class LiveEffects:
    """Effects on the hostnames of a deployment and on live."""

    def __init__(self, database: Database, apex: str) -> None:
        self._database = database
        self._apex = apex

    async def build_domains(self, metadata: deployments.Metadata) -> list[WantedDomain]:
        """Return the generated domains. It is a step because the apex is configuration, which may change."""
        naming = Naming(
            workspace=metadata.workspace_slug,
            project=metadata.project_slug,
            environment=metadata.environment_slug,
            branch=metadata.branch,
            commit_sha=metadata.commit_sha,
            deployment_id=metadata.deployment_id,
            apex=self._apex,
        )
        return build_domains(naming, is_production=metadata.is_production)

    async def confirm(self, project_id: str, deployment_id: str) -> Outcome:
        """Read back the live pointer, which moved inside the routing transaction."""
        async with self._database.read() as session:
            project = await session.get_one(Project, project_id)
            hostnames = await domains.list_deployment_domains(session, deployment_id)
            return Outcome(is_live=project.live_deployment_id == deployment_id, hostnames=tuple(hostnames))

    async def validate_rollback(self, project_id: str, source_id: str, target_id: str) -> Move:
        """Check a rollback; an empty source means the live deployment. Raises NotFound or PreconditionFailed."""
        async with self._database.read() as session:
            project = await domains.load_project(session, project_id)
            source_id = source_id or check_has_live(project.live_deployment_id)
            source = await deployments.fetch_candidate(session, project_id, source_id)
            target = await deployments.fetch_candidate(session, project_id, target_id)
            check_rollback(project.live_deployment_id, source, target)
            return await _move(session, project_id, source_id, target_id)

    async def validate_promote(self, project_id: str, target_id: str) -> Move:
        """Check a promote. Raises NotFound or PreconditionFailed."""
        async with self._database.read() as session:
            project = await domains.load_project(session, project_id)
            target = await deployments.fetch_candidate(session, project_id, target_id)
            source_id = check_promote(project.live_deployment_id, target, is_rolled_back=project.is_rolled_back)
            return await _move(session, project_id, source_id, target_id)

    async def find_sticky(self, project_id: str, environment_id: str) -> list[str]:
        """Return the ids of domains that follow live or the environment; raises PreconditionFailed if none do."""
        async with self._database.read() as session:
            return list(await domains.list_sticky_domains(session, project_id, environment_id))


async def _move(session: AsyncSession, project_id: str, source_id: str, target_id: str) -> Move:
    return Move(
        source_id=source_id,
        target=await deployments.fetch_metadata(session, project_id, target_id),
        newest_operation_id=await operations.newest_standing_operation(session, project_id),
    )
