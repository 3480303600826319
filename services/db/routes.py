"""Queries of the gateways: the route table of the whole installation."""

from itertools import groupby

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.tables import Deployment, GatewayConfig, Instance, RoutingRevision
from services.domain.routes import Route, RouteTable, choose_addresses
from services.domain.settings import HTTP1


async def read_revision(session: AsyncSession) -> int:
    """Return the current routing revision."""
    return (await session.execute(select(RoutingRevision.revision).where(RoutingRevision.id == 1))).scalar_one()


async def next_revision(session: AsyncSession) -> int:
    """Increment the routing revision for a change that gateways must apply; returns the new one."""
    row = (await session.execute(select(RoutingRevision).where(RoutingRevision.id == 1).with_for_update())).scalar_one()
    row.revision += 1
    return row.revision


async def read_route_table(session: AsyncSession) -> RouteTable:
    """Read all routes and the addresses of their instances, in one consistent view."""
    revision = await read_revision(session)
    configs = await session.execute(
        select(GatewayConfig.hostname, GatewayConfig.deployment_id).order_by(GatewayConfig.hostname)
    )
    routes = tuple(Route(hostname=hostname, deployment_id=deployment_id) for hostname, deployment_id in configs)
    addresses: dict[str, tuple[str, ...]] = {route.deployment_id: () for route in routes}
    instances = await session.scalars(
        select(Instance).where(Instance.address != "").order_by(Instance.deployment_id, Instance.id)
    )
    for deployment_id, rows in groupby(instances, key=lambda row: row.deployment_id):
        if deployment_id in addresses:
            addresses[deployment_id] = choose_addresses({row.address: row.healthy for row in rows})
    speaks = Deployment.run["protocol"].as_string()
    others = await session.execute(select(Deployment.id, speaks).where(speaks != HTTP1))
    protocols = {id: protocol for id, protocol in others if id in addresses}
    return RouteTable(revision=revision, routes=routes, addresses=addresses, protocols=protocols)
