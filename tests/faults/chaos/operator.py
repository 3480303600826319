"""Acts as users do, through the public API, with the retries of a good client.

A request without an answer is repeated under the same idempotency key.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import Final, TypeVar

from services.ctrl.client import ControlClient
from services.domain.errors import DeadlineExceeded, InterlockError, Refusal
from services.domain.status import DeploymentStatus
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.end_to_end.stack import Stack
from tests.faults.chaos.history import Clock, DeploymentRow, Done, Outcome
from tests.faults.chaos.sampler import Sampler
from tests.faults.chaos.schedule import Act, Operation, choose

# How long, and how often, a user retries without an answer. Operations wait long in the queue of a project whose
# endpoint dies every few seconds.
PATIENCE_SECONDS: Final = 90.0
PAUSE_SECONDS: Final = 0.3
# Latest time of a cancel after its deploy: in any phase, and sometimes too late.
LATEST_CANCEL_SECONDS: Final = 4.0

Answer = TypeVar("Answer")
_SERVABLE: Final = frozenset({DeploymentStatus.READY, DeploymentStatus.STOPPED})


class Operator:
    """Runs operations, several at once if asked, and records them."""

    def __init__(
        self, stack: Stack, projects: Sequence[str], sources: Mapping[str, str], sampler: Sampler, clock: Clock
    ) -> None:
        self._stack = stack
        # Project ids, and sources by behaviour.
        self._projects = projects
        self._sources = sources
        self._sampler = sampler
        self._clock = clock
        self._numbers = count(1)
        self._requests: dict[str, list[pb.CreateDeploymentRequest]] = {project: [] for project in projects}
        self.done: list[Done] = []

    async def run(self, operation: Operation) -> None:
        """Run an operation and record its result."""
        self.done.append(await self._run(self._projects[operation.project], operation, self._clock.now()))

    async def _run(self, project_id: str, operation: Operation, begin: float) -> Done:
        match operation.act:
            case Act.DEPLOY:
                return await self._deploy(project_id, operation, begin)
            case Act.RETRY:
                if earlier := self._requests[project_id]:
                    return await self._create(Act.RETRY, project_id, choose(earlier, operation.pick), begin)
            case Act.CANCEL:
                created = await self._deploy(project_id, operation, begin)
                self.done.append(created)
                await asyncio.sleep(operation.pick * LATEST_CANCEL_SECONDS)
                if created.deployment_id:
                    return await self._cancel(project_id, created.deployment_id, self._clock.now())
            case Act.ROLLBACK | Act.PROMOTE:
                if rows := [row for row in self._rows(project_id) if self._may_be_live(row)]:
                    move = self._roll_back if operation.act is Act.ROLLBACK else self._promote
                    return await move(project_id, choose(rows, operation.pick).id, begin)
        return Done(
            act=operation.act, project_id=project_id, span=self._clock.since(begin), outcome=Outcome.NOTHING_TO_DO
        )

    async def _deploy(self, project_id: str, operation: Operation, begin: float) -> Done:
        request = self._new_request(project_id, operation)
        self._requests[project_id].append(request)
        return await self._create(Act.DEPLOY, project_id, request, begin)

    async def _create(self, act: Act, project_id: str, request: pb.CreateDeploymentRequest, begin: float) -> Done:
        answer, outcome, detail = await self._insist(lambda control: control.create_deployment(request))
        return Done(
            act=act,
            project_id=project_id,
            span=self._clock.since(begin),
            outcome=outcome,
            deployment_id=answer.id if answer else "",
            idempotency_key=request.idempotency_key,
            detail=detail,
        )

    async def _cancel(self, project_id: str, deployment_id: str, begin: float) -> Done:
        answer, outcome, detail = await self._insist(lambda control: control.cancel_deployment(deployment_id, "chaos"))
        return Done(
            act=Act.CANCEL,
            project_id=project_id,
            span=self._clock.since(begin),
            outcome=outcome,
            deployment_id=deployment_id,
            is_cancelling=answer is not None and answer.cancelling,
            detail=detail,
        )

    async def _roll_back(self, project_id: str, target: str, begin: float) -> Done:
        key = f"rollback-{next(self._numbers)}"
        answer, outcome, detail = await self._insist(
            lambda control: control.rollback(project_id, target, idempotency_key=key)
        )
        return Done(
            act=Act.ROLLBACK,
            project_id=project_id,
            span=self._clock.since(begin),
            outcome=outcome,
            deployment_id=target,
            source_id=answer.source_deployment_id if answer else "",
            idempotency_key=key,
            detail=detail,
        )

    async def _promote(self, project_id: str, target: str, begin: float) -> Done:
        key = f"promote-{next(self._numbers)}"
        _, outcome, detail = await self._insist(
            lambda control: control.promote(project_id, target, idempotency_key=key)
        )
        return Done(
            act=Act.PROMOTE,
            project_id=project_id,
            span=self._clock.since(begin),
            outcome=outcome,
            deployment_id=target,
            idempotency_key=key,
            detail=detail,
        )

    async def _insist(self, call: Callable[[ControlClient], Awaitable[Answer]]) -> tuple[Answer | None, Outcome, str]:
        """Repeat a call until it is answered. A refusal after an unanswered attempt leaves open whether it happened.

        A missed deadline may be that of the call or of the operation. It is the operation's if a repeated call misses
        it too.
        """
        deadline, outcome_of_refusal = self._clock.now() + PATIENCE_SECONDS, Outcome.REFUSED
        was_late = False
        while True:
            try:
                async with self._stack.control() as control:
                    return await call(control), Outcome.OK, ""
            except Refusal as refusal:
                return None, outcome_of_refusal, refusal.message
            except InterlockError as trouble:
                outcome_of_refusal = Outcome.UNKNOWN
                is_late = isinstance(trouble, DeadlineExceeded)
                if is_late and was_late:
                    return None, Outcome.UNKNOWN, trouble.message
                was_late = is_late
                if self._clock.now() > deadline:
                    return None, Outcome.UNANSWERED, trouble.message
            await asyncio.sleep(PAUSE_SECONDS)

    def _new_request(self, project_id: str, operation: Operation) -> pb.CreateDeploymentRequest:
        number = next(self._numbers)
        return pb.CreateDeploymentRequest(
            project=project_id,
            environment=operation.environment,
            source=self._sources[operation.behaviour],
            branch=operation.branch,
            commit=f"{number:07x}",
            replicas=operation.replicas,
            idempotency_key=f"deploy-{number}",
        )

    def _rows(self, project_id: str) -> list[DeploymentRow]:
        return [row for row in self._sampler.deployments.values() if row.project_id == project_id]

    def _may_be_live(self, row: DeploymentRow) -> bool:
        live = self._sampler.snapshots[-1].projects[row.project_id].live
        return row.is_production and row.status in _SERVABLE and row.id != live
