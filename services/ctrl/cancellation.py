"""Cancelling deployments.

A running deployment is asked to unwind and settles its own row. One that waits in Restate's queue vanishes there
without any code of ours being run, so its row is settled here. A superseded one has its row settled already; what
queues for it is cancelled here.
"""

from services.db.deployment_requests import (
    forget_invocation,
    list_pending_cancels,
    list_superseded,
    request_cancel,
    settle_cancelled,
)
from services.db.engine import Database
from services.domain.errors import PreconditionFailed
from services.domain.status import ENDED, DeploymentStatus
from services.durable.client import RestateClient
from services.telemetry import get_logger

_log = get_logger(__name__)


class Cancellation:
    """Cancels, and finishes cancels that a crash has cut in two."""

    def __init__(self, database: Database, restate: RestateClient) -> None:
        self._database = database
        self._restate = restate

    async def cancel(self, deployment_id: str, reason: str) -> bool:
        """Ask a known deployment to unwind; False when it had ended already.

        Raises PreconditionFailed when Restate does not know the invocation that is to unwind.
        """
        async with self._database.write() as session:
            request = await request_cancel(session, deployment_id, reason)
        if request.invocation_id is None:
            return request.accepted
        _log.info("cancel requested", deployment_id=deployment_id, invocation_id=request.invocation_id)
        if await self._restate.cancel(request.invocation_id):
            return True
        if await self._restate.find_invocation(request.invocation_id) is not None:
            # It ended by itself while we asked.
            return False
        async with self._database.write() as session:
            status = await settle_cancelled(session, deployment_id)
        if status not in ENDED:
            raise PreconditionFailed(
                f"deployment {deployment_id} cannot be cancelled: Restate does not know its invocation "
                f"{request.invocation_id}; look at `interlock show {deployment_id}`"
            )
        return status is DeploymentStatus.CANCELLED

    async def withdraw_superseded(self) -> None:
        """Cancel what is queued for superseded deployments. An interrupted call is finished by the next."""
        async with self._database.read() as session:
            left = await list_superseded(session)
        for superseded in left:
            await self._restate.cancel(superseded.invocation_id)
            async with self._database.write() as session:
                await forget_invocation(session, superseded)
            _log.info("superseded deployment withdrawn", deployment_id=superseded.deployment_id)

    async def finish_interrupted(self) -> None:
        """Settle pending deployments that were cancelled in Restate's queue and whose rows nobody settled then."""
        async with self._database.read() as session:
            cancels = await list_pending_cancels(session)
        for deployment_id, invocation_id in cancels:
            if await self._restate.find_invocation(invocation_id) is None:
                async with self._database.write() as session:
                    await settle_cancelled(session, deployment_id)
