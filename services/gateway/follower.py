"""Keep a gateway in step with the database: registered, on the newest routing revision, acknowledgements recorded.

The database may be unavailable at any time. The outage is logged once when it begins and once when it ends, and the
gateway goes on serving its last snapshot.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from sqlalchemy.exc import SQLAlchemyError

from services.config import GatewaySettings
from services.db.engine import Database
from services.db.gateways import record_acknowledged, register_gateway
from services.db.routes import read_revision, read_route_table
from services.domain.errors import Invalid, Unavailable
from services.domain.routes import RouteTable
from services.gateway.publisher import Publisher
from services.gateway.xds.service import AggregatedDiscoveryService
from services.telemetry import get_logger

VISIT_SECONDS = 10.0

log = get_logger(__name__)


class Follower:
    """Reads the routes for one gateway and writes that gateway's row."""

    def __init__(
        self, database: Database, publisher: Publisher, discovery: AggregatedDiscoveryService, gateway: GatewaySettings
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._discovery = discovery
        self._gateway = gateway
        # One read at a time, so that a later read never returns an older table.
        self._reading = asyncio.Lock()
        self._registered = False
        self._recorded = 0
        self._nudged = asyncio.Event()
        self._outage = ""

    async def follow(self) -> None:
        """Visit the database every `poll_seconds`, or sooner after a `nudge`, forever."""
        while True:
            try:
                await self._visit()
                self._set_outage("")
            except (Unavailable, Invalid) as error:
                self._set_outage(error.message)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._gateway.poll_seconds):
                    await self._nudged.wait()
            self._nudged.clear()

    def nudge(self) -> None:
        """Visit the database soon, to record an acknowledgement; does not wait for the write."""
        self._nudged.set()

    async def refresh(self) -> None:
        """Publish the newest routes. Raises Unavailable without the database, Invalid if it holds a bad route."""
        async with self._reading:
            table = await self._read_newer()
            if table is not None:
                await self._publisher.publish(table)
                log.info("routes published", revision=table.revision, hostnames=len(table.routes))

    async def _visit(self) -> None:
        if not self._registered:
            await self._register()
        await self.refresh()
        await self._record()

    async def _register(self) -> None:
        async with _outages_as_unavailable(), self._database.write() as session:
            await register_gateway(session, self._gateway.id, self._gateway.agent_address)
        self._registered = True

    async def _read_newer(self) -> RouteTable | None:
        published = self._publisher.table
        async with _outages_as_unavailable(), self._database.read() as session:
            revision = await read_revision(session)
            if published is None or revision > published.revision:
                return await read_route_table(session)
        if revision < published.revision:
            raise Unavailable(
                f"the database is at routing revision {revision}, behind {published.revision} that this gateway "
                "serves; restore the database, or stop the agent and remove its snapshot.json"
            )
        return None

    async def _record(self) -> None:
        acknowledged = self._discovery.acked_revision or 0
        if acknowledged > self._recorded:
            async with _outages_as_unavailable(), self._database.write() as session:
                await record_acknowledged(session, self._gateway.id, acknowledged)
            self._recorded = acknowledged

    def _set_outage(self, reason: str) -> None:
        if reason and not self._outage:
            log.warning("cannot follow the database; serving on", reason=reason)
        if self._outage and not reason:
            log.info("following the database again")
        self._outage = reason


@asynccontextmanager
async def _outages_as_unavailable() -> AsyncGenerator[None]:
    """Limit the time of one database session, and raise Unavailable for its errors."""
    try:
        async with asyncio.timeout(VISIT_SECONDS):
            yield
    except (SQLAlchemyError, OSError) as error:
        raise Unavailable(f"cannot reach the database: {error or 'no answer in time'}") from error
