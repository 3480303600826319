"""The outbox: hands recorded deployments over to Restate, so that a crash after the recording loses nothing.

A pending row without an invocation is handed over, with the deployment id as idempotency key: a second hand-over has no
effect. The workflow starts only pending deployments, so it refuses one that was cancelled or superseded meanwhile. The
dispatcher also withdraws the queued invocations of superseded deployments.
"""

import asyncio
from typing import Never

from services.ctrl.cancellation import Cancellation
from services.db.deployment_requests import Handover, list_undelivered, record_invocation
from services.db.engine import Database
from services.domain.errors import InterlockError
from services.durable.client import RestateClient
from services.gen.hydra.v1.deployment_pb2 import DESCRIPTOR, DeployRequest
from services.telemetry import get_logger

DEPLOYMENT_SERVICE = DESCRIPTOR.services_by_name["DeploymentService"].full_name
IDLE_SECONDS = 1.0
FIRST_RETRY_SECONDS = 0.2
LAST_RETRY_SECONDS = 10.0

_log = get_logger(__name__)


class Dispatcher:
    """Hands over deployments. Keep `run()` running; call `wake()` after recording a deployment."""

    def __init__(self, database: Database, restate: RestateClient, cancellation: Cancellation) -> None:
        self._database = database
        self._restate = restate
        self._cancellation = cancellation
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Make `run()` look for pending deployments at once."""
        self._woken.set()

    async def run(self) -> Never:
        """Hand over until cancelled; after failures with growing pauses."""
        pause = FIRST_RETRY_SECONDS
        while True:
            self._woken.clear()
            if await self._try_all():
                pause = FIRST_RETRY_SECONDS
                await self._wait_for_work()
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LAST_RETRY_SECONDS)

    async def _try_all(self) -> bool:
        try:
            async with self._database.read() as session:
                handovers = await list_undelivered(session)
            delivered = [await self._try(handover) for handover in handovers]
            await self._cancellation.finish_interrupted()
            await self._cancellation.withdraw_superseded()
        except InterlockError as error:
            _log.warning("outbox not reachable", error=error.message)
            return False
        return all(delivered)

    async def _try(self, handover: Handover) -> bool:
        try:
            await self._deliver(handover)
        except InterlockError as error:
            _log.warning("deployment not handed over", deployment_id=handover.deployment_id, error=error.message)
            return False
        return True

    async def _deliver(self, handover: Handover) -> None:
        invocation_id = await self._restate.send(
            DEPLOYMENT_SERVICE,
            handover.project_id,
            "Deploy",
            DeployRequest(deployment_id=handover.deployment_id).SerializeToString(),
            idempotency_key=handover.deployment_id,
        )
        async with self._database.write() as session:
            await record_invocation(session, handover.deployment_id, invocation_id)
        _log.info("deployment handed over", deployment_id=handover.deployment_id, invocation_id=invocation_id)

    async def _wait_for_work(self) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), IDLE_SECONDS)
        except TimeoutError:
            return
