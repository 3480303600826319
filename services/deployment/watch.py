"""Keep the records of instances up to date after their deployment became ready.

krane restarts crashed instances, perhaps at another address, and gateways route by the records. Every pass compares
krane's whole view with the records and writes only differences, so it takes no input and is safe to repeat.
"""

import asyncio
from datetime import timedelta

from services.db import instances
from services.db.deployments import ready_deployments
from services.db.engine import Database
from services.domain.errors import InterlockError
from services.krane.client import KraneClient
from services.telemetry import get_logger

log = get_logger(__name__)

EVERY = timedelta(seconds=1)


async def watch_instances(database: Database, krane: KraneClient) -> None:
    """Run passes until cancelled. An outage of krane or the database is logged once."""
    is_down = False
    while True:
        try:
            await refresh_instances(database, krane)
            is_down = False
        except InterlockError as error:
            if not is_down:
                log.warning("cannot refresh instances", error=error.message)
            is_down = True
        await asyncio.sleep(EVERY.total_seconds())


async def refresh_instances(database: Database, krane: KraneClient) -> None:
    """Run one pass."""
    states = await krane.list()
    async with database.read() as session:
        ready = await ready_deployments(session)
        differing = [
            state
            for state in states
            if state.deployment_id in ready and await instances.differ(session, state.deployment_id, state.instances)
        ]
    for state in differing:
        async with database.write() as session:
            if state.deployment_id in await ready_deployments(session):
                await instances.upsert_instances(session, state.deployment_id, state.instances)
        log.info("instances changed", deployment_id=state.deployment_id)
