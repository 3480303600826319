"""The ledger of routing operations. It records the changes of each, so that one can be repeated, undone and audited."""

from collections.abc import Iterable

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.clock import now_ms
from services.db.deployments import candidate
from services.db.tables import Deployment, Environment, Project, RoutingChange, RoutingOperation
from services.domain.live import Candidate, previous_live
from services.domain.routing_plan import Change, HeldDomain, RoutingPlan
from services.domain.stickiness import Sticky

# Kind of the operation that deletes the commit domain of a removed deployment.
WITHDRAW = "withdraw"


async def find_operation(session: AsyncSession, operation_id: str) -> RoutingOperation | None:
    """Return an operation from the ledger; None if it is not there."""
    return await session.get(RoutingOperation, operation_id)


async def load_changes(session: AsyncSession, operation: RoutingOperation) -> RoutingPlan:
    """Return the changes of an operation in the ledger."""
    rows = await session.scalars(
        select(RoutingChange).where(RoutingChange.operation_id == operation.id).order_by(RoutingChange.hostname)
    )
    return RoutingPlan(
        changes=tuple(
            Change(
                hostname=row.hostname,
                sticky=Sticky(row.sticky),
                before=row.deployment_before,
                after=row.deployment_after,
            )
            for row in rows
        ),
        held=tuple(HeldDomain(hostname=hostname, reason=reason) for hostname, reason in operation.held),
        live_before=operation.live_before,
        live_after=operation.live_after,
        rolled_back_before=operation.rolled_back_before,
        rolled_back_after=operation.rolled_back_after,
    )


async def newest_standing_operation(session: AsyncSession, project_id: str) -> str:
    """Return the id of a project's newest operation that was not undone; empty if there is none."""
    query = (
        select(RoutingOperation.id)
        .where(RoutingOperation.project_id == project_id, ~RoutingOperation.is_undone)
        # A withdraw deletes only commit domains, which no other operation moves.
        .where(RoutingOperation.kind != WITHDRAW)
        .order_by(RoutingOperation.revision.desc(), RoutingOperation.created_at_ms.desc(), RoutingOperation.id)
        .limit(1)
    )
    return await session.scalar(query) or ""


async def record_operation(
    session: AsyncSession,
    operation_id: str,
    project_id: str,
    kind: str,
    deployment_id: str | None,
    plan: RoutingPlan,
    revision: int,
    *,
    note: str = "",
    is_undone: bool = False,
) -> None:
    """Add an operation to the ledger; `note` holds the actor and the reason."""
    session.add(
        RoutingOperation(
            id=operation_id,
            project_id=project_id,
            kind=kind,
            deployment_id=deployment_id,
            live_before=plan.live_before,
            live_after=plan.live_after,
            rolled_back_before=plan.rolled_back_before,
            rolled_back_after=plan.rolled_back_after,
            is_undone=is_undone,
            note=note,
            held=[(held.hostname, held.reason) for held in plan.held],
            revision=revision,
            created_at_ms=now_ms(),
        )
    )
    await session.flush()
    session.add_all(
        RoutingChange(
            operation_id=operation_id,
            hostname=change.hostname,
            sticky=change.sticky,
            deployment_before=change.before,
            deployment_after=change.after,
        )
        for change in plan.changes
    )


async def previous_live_deployment(session: AsyncSession, project_id: str) -> str | None:
    """Return the deployment that was live before the current one: the default target of a rollback."""
    project = await session.get(Project, project_id)
    if project is None or project.live_deployment_id is None:
        return None
    once_live = select(RoutingOperation.live_after).where(
        RoutingOperation.project_id == project_id, ~RoutingOperation.is_undone
    )
    rows = await session.execute(
        select(Deployment, Environment)
        .join(Environment, Deployment.environment_id == Environment.id)
        .where(Deployment.project_id == project_id)
        .where(or_(Deployment.id.in_(once_live), Deployment.id == project.live_deployment_id))
    )
    candidates = [candidate(*row) for row in rows]
    found = previous_live(_with_id(candidates, project.live_deployment_id), candidates)
    return found.id if found else None


def _with_id(candidates: Iterable[Candidate], deployment_id: str) -> Candidate | None:
    return next((c for c in candidates if c.id == deployment_id), None)
