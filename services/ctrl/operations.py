"""API methods for rollback and promote.

They do not wait for running deployments, unless requested: they first cancel the unfinished deployments of the project,
and run as soon as those have unwound. Nothing is cancelled for a dry run, or if the operation would be refused.
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

# Covers the unwinding of cancelled deployments and the operation itself.
OPERATION_TIMEOUT = timedelta(seconds=60)
# Covers a running deployment with the longest allowed build.
QUEUED_TIMEOUT = timedelta(minutes=20)

_log = get_logger(__name__)
Answer = TypeVar("Answer", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRequest:
    """A checked request to move live, without its source and target."""

    project_id: str
    # Name of the handler of DeploymentService.
    handler: str
    # Idempotency key for Restate; None: the caller sent none.
    call_key: str | None
    preempts: bool
    # Actor and reason; may be empty.
    note: str

    @property
    def timeout(self) -> timedelta:
        """How long the caller waits for the result; the operation continues after that."""
        return OPERATION_TIMEOUT if self.preempts else QUEUED_TIMEOUT


class OperationApi:
    """The methods of ctrl.v1.ControlService that move live."""

    def __init__(
        self, database: Database, restate: RestateClient, krane: KraneClient, cancellation: Cancellation
    ) -> None:
        self._database = database
        self._restate = restate
        self._krane = krane
        self._cancellation = cancellation

    async def Rollback(self, request: pb.RollbackRequest) -> pb.RollbackResponse:
        """Move live back to the named deployment, or to the one that was live before."""
        project = await self._find_project(request)
        move = _move_request(project, "Rollback", request)
        repeated = await self._repeat(move, hydra.RollbackResponse)
        if repeated is not None:
            return _rollback_response(repeated, preempted=())
        async with self._database.read() as session:
            body = await _plan_rollback(session, project, request.target_deployment_id)
        if request.dry_run:
            return await self._rehearse_rollback(project.id, body)
        body.reason = move.note
        if not move.preempts:
            # The deployments that it waits for may become live meanwhile.
            body.ClearField("source_deployment_id")
        preempted = await self._preempt(move, f"preempted by rollback to {body.target_deployment_id}")
        return _rollback_response(await self._call(move, body, hydra.RollbackResponse), preempted)

    async def Promote(self, request: pb.PromoteRequest) -> pb.PromoteResponse:
        """Make the named deployment live and end the rolled-back state."""
        target = check_id("target_deployment_id", request.target_deployment_id)
        project = await self._find_project(request)
        move = _move_request(project, "Promote", request)
        repeated = await self._repeat(move, hydra.PromoteResponse)
        if repeated is not None:
            return _promote_response(repeated, preempted=())
        async with self._database.read() as session:
            candidate = await fetch_candidate(session, project.id, target)
        source = check_promote(project.live_deployment_id, candidate, is_rolled_back=project.is_rolled_back)
        if request.dry_run:
            return await self._rehearse_promote(project.id, source, target)
        preempted = await self._preempt(move, f"preempted by promote of {target}")
        body = hydra.PromoteRequest(target_deployment_id=target, reason=move.note)
        return _promote_response(await self._call(move, body, hydra.PromoteResponse), preempted)

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

    async def _preempt(self, move: MoveRequest, cause: str) -> list[str]:
        """Cancel unfinished deployments if the request preempts; returns the ids of those cancelled."""
        if not move.preempts:
            return []
        reason = f"{cause} ({move.note})" if move.note else cause
        async with self._database.read() as session:
            # Newest first: cancel queued deployments before a running one ends and lets them start.
            unfinished = await list_unfinished(session, move.project_id)
        preempted = [deployment for deployment in unfinished if await self._cancellation.cancel(deployment, reason)]
        if preempted:
            _log.info("deployments preempted", project_id=move.project_id, deployment_ids=preempted, reason=reason)
        return preempted

    async def _repeat(self, move: MoveRequest, answer_type: type[Answer]) -> Answer | None:
        """Return the answer of an earlier call with the same key; None if there was none."""
        if move.call_key is None:
            return None
        earlier = await self._restate.find_repeat(DEPLOYMENT_SERVICE, move.project_id, move.handler, move.call_key)
        if earlier is None:
            return None
        answer = await self._restate.attach(earlier.id, timeout=move.timeout)
        return read_message(answer_type, answer)

    async def _call(self, move: MoveRequest, body: Message, answer_type: type[Answer]) -> Answer:
        _log.info("live is moved by hand", project_id=move.project_id, operation=move.handler, reason=move.note)
        answer = await self._restate.call(
            DEPLOYMENT_SERVICE,
            move.project_id,
            move.handler,
            body.SerializeToString(),
            idempotency_key=move.call_key,
            timeout=move.timeout,
        )
        return read_message(answer_type, answer)


def _move_request(project: Project, handler: str, request: pb.RollbackRequest | pb.PromoteRequest) -> MoveRequest:
    key = check_idempotency_key(request.idempotency_key)
    return MoveRequest(
        project_id=project.id,
        handler=handler,
        # The key of a dry run is ignored: it changes nothing.
        call_key=_call_key(key, request.target_deployment_id) if key and not request.dry_run else None,
        preempts=not request.no_preempt,
        note=check_note(request.actor, request.reason),
    )


async def _plan_rollback(session: AsyncSession, project: Project, wanted: str) -> hydra.RollbackRequest:
    """Return source and target; raises the refusals that the workflow would raise."""
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
    """Return the key for Restate: a hash of the caller's key and the target, in hex so that queries can hold it."""
    return hashlib.sha256(f"{key} {target}".encode()).hexdigest()
