"""Instances: a copy of krane's view, which routing can read in its own transaction."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.clock import now_ms
from services.db.routes import next_revision
from services.db.tables import GatewayConfig, Instance
from services.domain.readiness import InstanceState

Recorded = frozenset[tuple[str, str, str, bool]]


async def upsert_instances(session: AsyncSession, deployment_id: str, instances: Sequence[InstanceState]) -> bool:
    """Make the records equal to `instances`; returns whether anything changed.

    If gateways serve the deployment, a change also increments the routing revision.
    """
    rows = {row.id: row for row in await _rows(session, deployment_id)}
    if recorded_of(rows.values()) == recorded_of(instances):
        return False
    for state in instances:
        row = rows.pop(state.id, None)
        if row is None:
            row = Instance(deployment_id=deployment_id, id=state.id)
            session.add(row)
        row.address, row.status, row.healthy = state.address, state.status, state.healthy
        row.updated_at_ms = now_ms()
    for row in rows.values():
        await session.delete(row)
    if await _is_routed(session, deployment_id):
        await next_revision(session)
    return True


async def replace_recorded(
    session: AsyncSession, deployment_id: str, recorded: Recorded, instances: Sequence[InstanceState]
) -> bool:
    """Make the records equal to `instances` if they still are `recorded`; returns whether anything changed."""
    if recorded_of(await _rows(session, deployment_id)) != recorded:
        return False
    return await upsert_instances(session, deployment_id, instances)


async def read_recorded(session: AsyncSession, deployment_ids: Iterable[str]) -> dict[str, Recorded]:
    """Return what is recorded of the instances of each deployment, by one query."""
    rows: dict[str, list[Instance]] = {deployment_id: [] for deployment_id in deployment_ids}
    for row in await session.scalars(select(Instance).where(Instance.deployment_id.in_(rows))):
        rows[row.deployment_id].append(row)
    return {deployment_id: recorded_of(found) for deployment_id, found in rows.items()}


def recorded_of(instances: Iterable[Instance | InstanceState]) -> Recorded:
    """Return what the records of these instances hold: id, address, status and health of each."""
    return frozenset((instance.id, instance.address, instance.status, instance.healthy) for instance in instances)


async def delete_instances(session: AsyncSession, deployment_id: str) -> None:
    """Delete the records of a deployment, as `upsert_instances` with none."""
    await upsert_instances(session, deployment_id, ())


async def list_instances(session: AsyncSession, deployment_id: str) -> Sequence[Instance]:
    """List the records of a deployment, by id."""
    return await _rows(session, deployment_id)


async def _rows(session: AsyncSession, deployment_id: str) -> Sequence[Instance]:
    return (
        await session.scalars(select(Instance).where(Instance.deployment_id == deployment_id).order_by(Instance.id))
    ).all()


async def _is_routed(session: AsyncSession, deployment_id: str) -> bool:
    query = select(GatewayConfig.hostname).where(GatewayConfig.deployment_id == deployment_id).limit(1)
    return (await session.scalar(query)) is not None
