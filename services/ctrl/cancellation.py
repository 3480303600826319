"""Cancel deployments.

A running deployment is asked to unwind, and ends its own row. A queued one is removed from Restate's queue without
running our code, so its row is ended here. The row of a superseded one has already ended; its queued invocation is
cancelled here.
"""

from services.db.deployment_requests import (
    end_cancelled,
    forget_invocation,
    list_pending_cancels,
    list_superseded,
    request_cancel,
)
from services.db.engine import Database
from services.domain.errors import PreconditionFailed
from services.domain.status import ENDED, DeploymentStatus
from services.durable.client import RestateClient
from services.telemetry import get_logger

_log = get_logger(__name__)


class Cancellation:
    """Cancels deployments, and finishes cancels that a crash interrupted."""

    def __init__(self, database: Database, restate: RestateClient) -> None:
        self._database = database
        self._restate = restate

    async def cancel(self, deployment_id: str, reason: str) -> bool:
        """Ask a known deployment to unwind; returns False if it has already ended.

        Raises PreconditionFailed if Restate does not know its invocation.
        """
        async with self._database.write() as session:
            request = await request_cancel(session, deployment_id, reason)
        if request.invocation_id is None:
            return request.accepted
        _log.info("cancel requested", deployment_id=deployment_id, invocation_id=request.invocation_id)
        if await self._restate.cancel(request.invocation_id):
            return True
        if await self._restate.find_invocation(request.invocation_id) is not None:
            # It ended while we were asking.
            return False
        async with self._database.write() as session:
            status = await end_cancelled(session, deployment_id)
        if status not in ENDED:
            raise PreconditionFailed(
                f"deployment {deployment_id} cannot be cancelled: Restate does not know its invocation "
                f"{request.invocation_id}; see `interlock show {deployment_id}`"
            )
        return status is DeploymentStatus.CANCELLED

    async def withdraw_superseded(self) -> None:
        """Cancel the queued invocations of superseded deployments. The next call finishes an interrupted one."""
        async with self._database.read() as session:
            left = await list_superseded(session)
        for superseded in left:
            await self._restate.cancel(superseded.invocation_id)
            async with self._database.write() as session:
                await forget_invocation(session, superseded)
            _log.info("superseded deployment withdrawn", deployment_id=superseded.deployment_id)

    async def finish_interrupted(self) -> None:
        """End the rows of pending deployments that were removed from Restate's queue before a crash."""
        async with self._database.read() as session:
            cancels = await list_pending_cancels(session)
        for deployment_id, invocation_id in cancels:
            if await self._restate.find_invocation(invocation_id) is None:
                async with self._database.write() as session:
                    await end_cancelled(session, deployment_id)
