"""Rollback and promote over all doors.

Neither waits for a running deploy to finish by itself, unless it was asked to: the project's unfinished deployments are
cancelled first, and the operation runs as soon as they have unwound. Nothing is cancelled for an operation that would
be refused anyway, or for a dry run.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from google.protobuf.message import Message
from sqlalchemy.ext.asyncio import AsyncSession

from services.ctrl.cancellation import Cancellation
from services.ctrl.checks import check_idempotency_key, check_note, check_project, check_workspace
from services.ctrl.dispatcher import DEPLOYMENT_SERVICE
from services.ctrl.enums import START
from services.ctrl.rehearsal import rehearse
from services.db.deployment_requests import list_unfinished
from services.db.deployments import fetch_candidate
from services.db.engine import Database
from services.db.operations import previous_live_deployment
from services.db.projects import find_project
from services.db.tables import Project
from services.domain.errors import PreconditionFailed
from services.domain.ids import check_id
from services.domain.live import Start, check_promote, check_rollback
from services.durable.client import RestateClient
from services.durable.serde import read_message
from services.gen.ctrl.v1 import control_pb2 as pb
from services.gen.hydra.v1 import deployment_pb2 as hydra
from services.krane.client import KraneClient
from services.telemetry import get_logger

# For the unwinding of what was preempted and for the operation itself.
OPERATION_TIMEOUT = timedelta(seconds=60)
# Behind a deployment that builds for as long as it may.
QUEUED_TIMEOUT = timedelta(minutes=20)

_log = get_logger(__name__)
Answer = TypeVar("Answer", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One request to move live, apart from where to."""

    project_id: str
    # The handler of DeploymentService.
    handler: str
    # What Restate knows a repeat by; None: nobody asked for that.
    call_key: str | None
    preempts: bool
    # Who asked and why; may be empty.
    note: str

    @property
    def timeout(self) -> timedelta:
        """How long the caller waits for the outcome; the operation goes on after that."""
        return OPERATION_TIMEOUT if self.preempts else QUEUED_TIMEOUT


class Operations:
    """The methods of ctrl.v1.ControlService that move live by hand."""

    def __init__(
        self, database: Database, restate: RestateClient, krane: KraneClient, cancellation: Cancellation
    ) -> None:
        self._database = database
        self._restate = restate
        self._krane = krane
        self._cancellation = cancellation

    async def Rollback(self, request: pb.RollbackRequest) -> pb.RollbackResponse:
        """Move live back, to the named deployment or to the one that was live before."""
        project = await self._find_project(request)
        order = _order(project, "Rollback", request)
        repeated = await self._repeat(order, hydra.RollbackResponse)
        if repeated is not None:
            return _rollback_response(repeated, preempted=())
        async with self._database.read() as session:
            body = await _plan_rollback(session, project, request.target_deployment_id)
        if request.dry_run:
            return await self._rehearse_rollback(project.id, body)
        body.reason = order.note
        if not order.preempts:
            # What it waits for may become live meanwhile.
            body.ClearField("source_deployment_id")
        preempted = await self._preempt(order, f"preempted by rollback to {body.target_deployment_id}")
        return _rollback_response(await self._call(order, body, hydra.RollbackResponse), preempted)

    async def Promote(self, request: pb.PromoteRequest) -> pb.PromoteResponse:
        """Make the named deployment live and end the rolled-back state."""
        target = check_id("target_deployment_id", request.target_deployment_id)
        project = await self._find_project(request)
        order = _order(project, "Promote", request)
        repeated = await self._repeat(order, hydra.PromoteResponse)
        if repeated is not None:
            return _promote_response(repeated, preempted=())
        async with self._database.read() as session:
            candidate = await fetch_candidate(session, project.id, target)
        source = check_promote(project.live_deployment_id, candidate, is_rolled_back=project.is_rolled_back)
        if request.dry_run:
            return await self._rehearse_promote(project.id, source, target)
        preempted = await self._preempt(order, f"preempted by promote of {target}")
        body = hydra.PromoteRequest(target_deployment_id=target, reason=order.note)
        return _promote_response(await self._call(order, body, hydra.PromoteResponse), preempted)

    async def _find_project(self, request: pb.RollbackRequest | pb.PromoteRequest) -> Project:
        async with self._database.read() as session:
            return await find_project(session, check_workspace(request.workspace), check_project(request.project))

    async def _rehearse_rollback(self, project_id: str, body: hydra.RollbackRequest) -> pb.RollbackResponse:
        rehearsal = await rehearse(self._database, self._krane, project_id, body.target_deployment_id)
        return pb.RollbackResponse(
            source_deployment_id=body.source_deployment_id,
            target_deployment_id=body.target_deployment_id,
            domains=rehearsal.hostnames,
            start=START.encode(rehearsal.start),
            dry_run=True,
        )

    async def _rehearse_promote(self, project_id: str, source: str, target: str) -> pb.PromoteResponse:
        rehearsal = await rehearse(self._database, self._krane, project_id, target)
        return pb.PromoteResponse(
            source_deployment_id=source,
            target_deployment_id=target,
            domains=rehearsal.hostnames,
            start=START.encode(rehearsal.start),
            dry_run=True,
        )

    async def _preempt(self, order: Order, cause: str) -> list[str]:
        """Cancel what is under way, unless the order is to wait behind it; returns what was cancelled."""
        if not order.preempts:
            return []
        reason = f"{cause} ({order.note})" if order.note else cause
        async with self._database.read() as session:
            # Newest first: what queues is gone before what runs makes room for it.
            unfinished = await list_unfinished(session, order.project_id)
        preempted = [deployment for deployment in unfinished if await self._cancellation.cancel(deployment, reason)]
        if preempted:
            _log.info("deployments preempted", project_id=order.project_id, deployment_ids=preempted, reason=reason)
        return preempted

    async def _repeat(self, order: Order, answer_type: type[Answer]) -> Answer | None:
        """The answer of the call that was made under the same key before; None when there was none."""
        if order.call_key is None:
            return None
        earlier = await self._restate.find_repeat(DEPLOYMENT_SERVICE, order.project_id, order.handler, order.call_key)
        if earlier is None:
            return None
        answer = await self._restate.attach(earlier.id, timeout=order.timeout)
        return read_message(answer_type, answer)

    async def _call(self, order: Order, body: Message, answer_type: type[Answer]) -> Answer:
        _log.info("live is moved by hand", project_id=order.project_id, operation=order.handler, reason=order.note)
        answer = await self._restate.call(
            DEPLOYMENT_SERVICE,
            order.project_id,
            order.handler,
            body.SerializeToString(),
            idempotency_key=order.call_key,
            timeout=order.timeout,
        )
        return read_message(answer_type, answer)


def _order(project: Project, handler: str, request: pb.RollbackRequest | pb.PromoteRequest) -> Order:
    key = check_idempotency_key(request.idempotency_key)
    return Order(
        project_id=project.id,
        handler=handler,
        # A dry run neither is a repeat nor can be repeated.
        call_key=_call_key(key, request.target_deployment_id) if key and not request.dry_run else None,
        preempts=not request.no_preempt,
        note=check_note(request.actor, request.reason),
    )


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
        start=START.encode(Start(answer.start)),
    )


def _promote_response(answer: hydra.PromoteResponse, preempted: Sequence[str]) -> pb.PromoteResponse:
    return pb.PromoteResponse(
        source_deployment_id=answer.source_deployment_id,
        target_deployment_id=answer.target_deployment_id,
        domains=answer.domains,
        preempted_deployment_ids=preempted,
        start=START.encode(Start(answer.start)),
    )


def _call_key(key: str, target: str) -> str:
    """The key that Restate gets: the caller's together with the target, in hex so that it can stand in a query."""
    return hashlib.sha256(f"{key} {target}".encode()).hexdigest()
