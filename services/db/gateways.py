"""The registered gateways, and the routing revision that each has acknowledged."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.clock import now_ms
from services.db.tables import Gateway


async def register_gateway(session: AsyncSession, gateway_id: str, agent_address: str) -> None:
    """Register a gateway, or update its address. From then on, routing waits for its acknowledgement."""
    row = await session.get(Gateway, gateway_id)
    if row is None:
        session.add(
            Gateway(id=gateway_id, agent_address=agent_address, acknowledged_revision=0, updated_at_ms=now_ms())
        )
    else:
        row.agent_address = agent_address
        row.updated_at_ms = now_ms()


async def record_acknowledged(session: AsyncSession, gateway_id: str, revision: int) -> None:
    """Record that a gateway serves all changes up to `revision`."""
    row = await session.get(Gateway, gateway_id)
    if row is not None and row.acknowledged_revision < revision:
        row.acknowledged_revision = revision
        row.updated_at_ms = now_ms()


async def list_gateways(session: AsyncSession) -> Sequence[Gateway]:
    """List the registered gateways, by id."""
    return (await session.scalars(select(Gateway).order_by(Gateway.id))).all()
