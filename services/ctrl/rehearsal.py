"""Dry runs of rollback and promote, by the same rules as the operations themselves."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from services.db.deployments import fetch_candidate, fetch_metadata
from services.db.domains import list_sticky_domains, load_domains, load_project
from services.db.engine import Database
from services.domain.live import Start, check_start
from services.domain.routing_plan import Target, plan_switch
from services.krane.client import KraneClient
from services.krane.types import running_instances


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The result of a dry run: the hostnames that would move, and how the target would start."""

    hostnames: tuple[str, ...]
    start: Start


async def rehearse(database: Database, krane: KraneClient, project_id: str, target_id: str) -> Rehearsal:
    """Do a dry run of moving live. The caller has checked the target by the rules of rollback or promote.

    Raises PreconditionFailed if the target cannot take traffic or no domain would move, Unavailable if krane does not
    answer.
    """
    async with database.read() as session:
        target = await fetch_metadata(session, project_id, target_id)
        hostnames = await _moving(session, project_id, target_id)
    state = await krane.get(target.workspace_id, target_id, probe_now=True)
    start = check_start(target_id, target.run.replicas, running_instances(state))
    return Rehearsal(hostnames=hostnames, start=start)


async def _moving(session: AsyncSession, project_id: str, target_id: str) -> tuple[str, ...]:
    candidate = await fetch_candidate(session, project_id, target_id)
    target = Target(
        deployment_id=candidate.id,
        generation=candidate.generation,
        environment_id=candidate.environment_id,
        is_production=candidate.is_production,
    )
    plan = plan_switch(
        await load_project(session, project_id),
        target,
        await list_sticky_domains(session, project_id, candidate.environment_id),
        await load_domains(session, project_id),
        is_rolled_back=None,
    )
    return tuple(change.hostname for change in plan.changes)
