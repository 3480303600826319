"""Steps of operations: shown as progress while they run, and as the timeline afterwards."""

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.clock import now_ms
from services.db.tables import Deployment, DeploymentStep


async def begin_step(
    session: AsyncSession, *, operation_id: str, operation: str, deployment_id: str, name: str
) -> None:
    """Open a step, or reopen it; closes other open steps of the operation."""
    now = now_ms()
    await session.execute(
        update(DeploymentStep)
        .where(
            DeploymentStep.operation_id == operation_id,
            DeploymentStep.name != name,
            DeploymentStep.ended_at_ms.is_(None),
        )
        .values(ended_at_ms=now)
    )
    row = await session.get(DeploymentStep, (operation_id, name))
    if row is not None:
        row.ended_at_ms = None
        row.error = None
        row.note = ""
    elif await session.get(Deployment, deployment_id) is not None:
        last = select(func.max(DeploymentStep.position)).where(DeploymentStep.deployment_id == deployment_id)
        session.add(
            DeploymentStep(
                operation_id=operation_id,
                operation=operation,
                deployment_id=deployment_id,
                name=name,
                position=(await session.scalar(last) or 0) + 1,
                started_at_ms=now,
            )
        )


async def end_step(session: AsyncSession, *, operation_id: str, name: str, error: str | None) -> None:
    """Close a step."""
    await session.execute(
        update(DeploymentStep)
        .where(DeploymentStep.operation_id == operation_id, DeploymentStep.name == name)
        .values(ended_at_ms=now_ms(), error=error)
    )


async def note_step(session: AsyncSession, *, operation_id: str, name: str, note: str) -> None:
    """Add a remark to a step that does not fail because of it."""
    await session.execute(
        update(DeploymentStep)
        .where(DeploymentStep.operation_id == operation_id, DeploymentStep.name == name)
        .values(note=note)
    )


async def end_open_steps(session: AsyncSession, *, operation_id: str, failed_step: str, error: str) -> None:
    """Close the open steps of a failed operation; the step that failed gets the error."""
    open_steps = await session.scalars(
        select(DeploymentStep).where(
            DeploymentStep.operation_id == operation_id,
            DeploymentStep.ended_at_ms.is_(None) | (DeploymentStep.name == failed_step),
        )
    )
    for step in open_steps:
        step.ended_at_ms = step.ended_at_ms or now_ms()
        if step.name == failed_step:
            step.error = step.error or error


async def list_steps(session: AsyncSession, deployment_id: str) -> Sequence[DeploymentStep]:
    """List the steps of all operations on a deployment, in order."""
    return (
        await session.scalars(
            select(DeploymentStep)
            .where(DeploymentStep.deployment_id == deployment_id)
            .order_by(DeploymentStep.position)
        )
    ).all()
