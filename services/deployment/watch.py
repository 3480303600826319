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
    """Run one pass.

    A workflow may record instances between the report of krane and the write here. Its record is newer then, so only
    records that are still as they were before the report are replaced; the next pass compares again.
    """
    async with database.read() as session:
        recorded = await instances.read_recorded(session, await ready_deployments(session))
    for state in await krane.list():
        before = recorded.get(state.deployment_id)
        if before is None or before == instances.recorded_of(state.instances):
            continue
        async with database.write() as session:
            is_ready = state.deployment_id in await ready_deployments(session)
            if is_ready and await instances.replace_recorded(session, state.deployment_id, before, state.instances):
                log.info("instances changed", deployment_id=state.deployment_id)
