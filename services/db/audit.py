"""The audit list of a project, built from the deployments and the ledger of routing operations."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import chain

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.tables import Deployment, RoutingOperation
from services.domain.operations import TransitionKind
from services.domain.status import UNDONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One event of a deployment. Empty fields: unknown, or none."""

    at_ms: int
    what: TransitionKind
    deployment_id: str
    live_before: str = ""
    live_after: str = ""
    note: str = ""
    is_undone: bool = False


async def list_transitions(session: AsyncSession, project_id: str, limit: int) -> list[Transition]:
    """List the newest events of a project, newest first."""
    kinds = (_created, _ended, _routed)
    found = chain.from_iterable([[entry async for entry in kind(session, project_id, limit)] for kind in kinds])
    return sorted(found, key=lambda entry: entry.at_ms, reverse=True)[:limit]


async def _created(session: AsyncSession, project_id: str, limit: int) -> AsyncIterator[Transition]:
    query = select(Deployment).where(Deployment.project_id == project_id)
    for row in await session.scalars(query.order_by(Deployment.generation.desc()).limit(limit)):
        note = f"by {row.created_by}" if row.created_by else ""
        yield Transition(at_ms=row.created_at_ms, what=TransitionKind.CREATED, deployment_id=row.id, note=note)


async def _ended(session: AsyncSession, project_id: str, limit: int) -> AsyncIterator[Transition]:
    query = select(Deployment).where(Deployment.project_id == project_id, Deployment.status.in_(UNDONE))
    for row in await session.scalars(query.order_by(Deployment.ended_at_ms.desc()).limit(limit)):
        note = row.failure or row.cancel_reason or ""
        yield Transition(at_ms=row.ended_at_ms or 0, what=TransitionKind(row.status), deployment_id=row.id, note=note)


async def _routed(session: AsyncSession, project_id: str, limit: int) -> AsyncIterator[Transition]:
    # Operations without a deployment were undone before they ran, and moved nothing.
    query = select(RoutingOperation).where(
        RoutingOperation.project_id == project_id, RoutingOperation.deployment_id.is_not(None)
    )
    for row in await session.scalars(query.order_by(RoutingOperation.revision.desc()).limit(limit)):
        yield Transition(
            at_ms=row.created_at_ms,
            what=TransitionKind(row.kind),
            deployment_id=row.deployment_id or "",
            live_before=row.live_before or "",
            live_after=row.live_after or "",
            note=row.note,
            is_undone=row.is_undone,
        )
