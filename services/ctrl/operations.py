"""Rollback and promote over all doors.

Neither waits for a running deploy to finish by itself: the project's unfinished deployments are cancelled first, and
the operation runs as soon as they have unwound. Nothing is cancelled for an operation that would be refused anyway.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message
from sqlalchemy.ext.asyncio import AsyncSession

from services.ctrl.cancellation import Cancellation
from services.ctrl.checks import check_idempotency_key, check_project, check_workspace
from services.ctrl.dispatcher import DEPLOYMENT_SERVICE
from services.db.deployment_requests import list_unfinished
from services.db.deployments import fetch_candidate
from services.db.engine import Database
from services.db.operations import previous_live_deployment
from services.db.projects import find_project
from services.db.tables import Project
from services.domain.errors import PreconditionFailed
from services.domain.ids import check_id
from services.domain.live import check_promote, check_rollback
from services.durable.client import RestateClient
from services.gen.ctrl.v1 import control_pb2 as pb
from services.gen.hydra.v1 import deployment_pb2 as hydra
from services.telemetry import get_logger

# For the unwinding of what was preempted and for the operation itself.
OPERATION_TIMEOUT = timedelta(seconds=60)

_log = get_logger(__name__)
Answer = TypeVar("Answer", bound=Message)


class Operations:
    """The methods of ctrl.v1.ControlService that move live by hand."""

    def __init__(self, database: Database, restate: RestateClient, cancellation: Cancellation) -> None:
        self._database = database
        self._restate = restate
        self._cancellation = cancellation

    async def Rollback(self, request: pb.RollbackRequest) -> pb.RollbackResponse:
        """Move live back, to the named deployment or to the one that was live before."""
        call_key = _call_key(request.idempotency_key, request.target_deployment_id)
        async with self._database.read() as session:
            project = await find_project(session, check_workspace(request.workspace), check_project(request.project))
        repeated = await self._repeat(project.id, "Rollback", call_key, hydra.RollbackResponse)
        if repeated is not None:
            return _rollback_response(repeated, preempted=())
        async with self._database.read() as session:
            body = await _plan_rollback(session, project, request.target_deployment_id)
        preempted = await self._preempt(project.id, f"preempted by rollback to {body.target_deployment_id}")
        answer = await self._call(project.id, "Rollback", body, call_key, hydra.RollbackResponse)
        return _rollback_response(answer, preempted)

    async def Promote(self, request: pb.PromoteRequest) -> pb.PromoteResponse:
        """Make the named deployment live and end the rolled-back state."""
        target = check_id("target_deployment_id", request.target_deployment_id)
        call_key = _call_key(request.idempotency_key, target)
        async with self._database.read() as session:
            project = await find_project(session, check_workspace(request.workspace), check_project(request.project))
        repeated = await self._repeat(project.id, "Promote", call_key, hydra.PromoteResponse)
        if repeated is not None:
            return pb.PromoteResponse(target_deployment_id=target, domains=repeated.domains)
        async with self._database.read() as session:
            candidate = await fetch_candidate(session, project.id, target)
        check_promote(project.live_deployment_id, candidate, is_rolled_back=project.is_rolled_back)
        preempted = await self._preempt(project.id, f"preempted by promote of {target}")
        body = hydra.PromoteRequest(target_deployment_id=target)
        answer = await self._call(project.id, "Promote", body, call_key, hydra.PromoteResponse)
        return pb.PromoteResponse(
            target_deployment_id=target, domains=answer.domains, preempted_deployment_ids=preempted
        )

    async def _preempt(self, project_id: str, reason: str) -> list[str]:
        async with self._database.read() as session:
            # Newest first: what queues is gone before what runs makes room for it.
            unfinished = await list_unfinished(session, project_id)
        preempted = [deployment for deployment in unfinished if await self._cancellation.cancel(deployment, reason)]
        if preempted:
            _log.info("deployments preempted", project_id=project_id, deployment_ids=preempted, reason=reason)
        return preempted

    async def _repeat(
        self, project_id: str, handler: str, call_key: str | None, answer_type: type[Answer]
    ) -> Answer | None:
        """The answer of the call that was made under the same key before; None when there was none."""
        if call_key is None:
            return None
        earlier = await self._restate.find_repeat(DEPLOYMENT_SERVICE, project_id, handler, call_key)
        if earlier is None:
            return None
        return json_format.Parse(
            await self._restate.attach(earlier.id, timeout=OPERATION_TIMEOUT), answer_type(), ignore_unknown_fields=True
        )

    async def _call(
        self, project_id: str, handler: str, body: Message, call_key: str | None, answer_type: type[Answer]
    ) -> Answer:
        answer = await self._restate.call(
            DEPLOYMENT_SERVICE,
            project_id,
            handler,
            body.SerializeToString(),
            idempotency_key=call_key,
            timeout=OPERATION_TIMEOUT,
        )
        return json_format.Parse(answer, answer_type(), ignore_unknown_fields=True)


async def _plan_rollback(session: AsyncSession, project: Project, wanted: str) -> hydra.RollbackRequest:
    """Name source and target; raises what the workflow would refuse with."""
    if project.live_deployment_id is None:
        raise PreconditionFailed(f"project {project.slug!r} has no live deployment to roll back from; deploy first")
    target = check_id("target_deployment_id", wanted) if wanted else await previous_live_deployment(session, project.id)
    if target is None:
        raise PreconditionFailed(
            f"project {project.slug!r} has no earlier live deployment that can serve; name a target"
        )
    check_rollback(
        project.live_deployment_id,
        await fetch_candidate(session, project.id, project.live_deployment_id),
        await fetch_candidate(session, project.id, target),
    )
    return hydra.RollbackRequest(source_deployment_id=project.live_deployment_id, target_deployment_id=target)


def _rollback_response(answer: hydra.RollbackResponse, preempted: Sequence[str]) -> pb.RollbackResponse:
    return pb.RollbackResponse(
        source_deployment_id=answer.source_deployment_id,
        target_deployment_id=answer.target_deployment_id,
        domains=answer.domains,
        preempted_deployment_ids=preempted,
    )


def _call_key(idempotency_key: str, target: str) -> str | None:
    """The key that Restate gets: the caller's together with the target, in hex so that it can stand in a query."""
    key = check_idempotency_key(idempotency_key)
    return hashlib.sha256(f"{key} {target}".encode()).hexdigest() if key else None
