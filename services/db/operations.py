"""The ledger of routing operations. It records the changes of each, so that one can be repeated, undone and audited."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.clock import now_ms
from services.db.deployments import candidate
from services.db.tables import Deployment, Environment, Project, RoutingChange, RoutingOperation
from services.domain.live import LiveMove, previous_live, way_back
from services.domain.operations import Operation
from services.domain.routing_plan import Change, HeldDomain, RoutingPlan
from services.domain.stickiness import Sticky

# Kind of the operation that deletes the commit domain of a removed deployment.
WITHDRAW = "withdraw"
# More than retention keeps deployments for.
MOVES_LOOKED_AT = 200


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
    way = way_back(await _list_live_moves(session, project_id))
    rows = await session.execute(
        select(Deployment, Environment)
        .join(Environment, Deployment.environment_id == Environment.id)
        .where(Deployment.project_id == project_id)
        .where(Deployment.id.in_({*way, project.live_deployment_id}))
    )
    known = [candidate(*row) for row in rows]
    current = next((c for c in known if c.id == project.live_deployment_id), None)
    found = previous_live(current, way, known)
    return found.id if found else None


async def _list_live_moves(session: AsyncSession, project_id: str) -> list[LiveMove]:
    """List the newest moves of live, oldest first."""
    operation = RoutingOperation
    rows = await session.execute(
        select(operation.live_before, operation.live_after, operation.kind)
        .where(operation.project_id == project_id, ~operation.is_undone)
        .where(operation.live_after.is_not(None), operation.live_after.is_distinct_from(operation.live_before))
        .order_by(operation.revision.desc(), operation.created_at_ms.desc(), operation.id)
        .limit(MOVES_LOOKED_AT)
    )
    return [
        LiveMove(before=before, after=after, is_rollback=kind == Operation.ROLLBACK)
        for before, after, kind in reversed(rows.all())
        if after is not None
    ]
