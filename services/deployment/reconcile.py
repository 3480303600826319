"""The reconciler: repairs differences that no running operation is responsible for.

Operations undo themselves. The reconciler repairs what is left by a killed invocation, lost data of Restate, or manual
changes in krane. A pass takes no input, compares the three views (see `services/domain/reconcile.py`), and repairs
differences that have lasted for the grace period. Each repair checks again before it acts and is safe to repeat, so the
next passes complete an interrupted one.
"""

import asyncio
import time
from datetime import timedelta
from typing import Never, assert_never

from services.config import DeploySettings
from services.db import deployments, reconcile
from services.db.clock import now_ms
from services.db.engine import Database
from services.db.steps import list_steps
from services.deployment.effects import Effects
from services.deployment.rebuilding import Rebuilds
from services.domain.errors import InterlockError, PreconditionFailed
from services.domain.images import registry_of
from services.domain.readiness import InstanceStatus
from services.domain.reconcile import Finding, KraneDeployment, KraneTask, Patience, Repair, Views, find_differences
from services.domain.runs import may_still_run
from services.domain.status import GONE, DeploymentStatus
from services.durable.client import Invocation, RestateClient
from services.durable.saga import Failure
from services.gen.hydra.v1.deployment_pb2 import DESCRIPTOR, RetireRequest
from services.krane.client import KraneClient
from services.krane.types import WorkloadStatus
from services.routing.service import RoutingService
from services.routing.transactions import RoutingTransactions
from services.telemetry import get_logger

log = get_logger(__name__)

ACTOR = "reconciler"
SERVICE = DESCRIPTOR.services_by_name["DeploymentService"].full_name


class Reconciler:
    """The reconciler; run one in each endpoint. Several may run at once."""

    def __init__(
        self,
        database: Database,
        restate: RestateClient,
        krane: KraneClient,
        effects: Effects,
        routing: RoutingService,
        transactions: RoutingTransactions,
        settings: DeploySettings,
    ) -> None:
        self._database = database
        self._restate = restate
        self._krane = krane
        self._effects = effects
        self._routing = routing
        self._transactions = transactions
        self._settings = settings
        self._patience = Patience(settings.reconcile_grace_seconds)
        self._rebuilds = Rebuilds(database, krane, effects)

    async def run(self) -> Never:
        """Run passes until cancelled. A part that does not answer is logged once per outage."""
        is_down = False
        try:
            while True:
                try:
                    await self.reconcile()
                    is_down = False
                except InterlockError as error:
                    self._patience.forget()
                    if not is_down:
                        log.warning("cannot reconcile", actor=ACTOR, error=error.message)
                    is_down = True
                await asyncio.sleep(self._settings.reconcile_seconds)
        finally:
            await self._rebuilds.close()

    async def reconcile(self) -> None:
        """Run one pass. Raises Unavailable if a view cannot be read; failed repairs are retried by later passes."""
        for finding in self._patience.ripe(find_differences(await self._look()), time.monotonic()):
            try:
                await self._repair(finding)
            except InterlockError as error:
                log.warning("repair failed", error=error.message, **_fields(finding))
            else:
                log.info("repaired", **_fields(finding))
        await self._prune()

    async def _look(self) -> Views:
        # Read invocations first and the database last: an operation that starts or ends in between looks consistent.
        invocations = await self._restate.unfinished_invocations(SERVICE)
        states, tasks = await self._krane.list(), await self._krane.list_tasks()
        # One-off commands have no row. Whoever runs one removes it; what is left after its time has no owner any more.
        tasks = tuple(task for task in tasks if not may_still_run(task.task_id, now_ms()))
        known = {state.deployment_id for state in states} | {task.task_id for task in tasks}
        async with self._database.read() as session:
            recorded = await reconcile.read_recorded(session, known)
        return Views(
            recorded=recorded,
            krane_deployments=tuple(
                KraneDeployment(
                    id=state.deployment_id,
                    namespace=state.namespace,
                    is_stopped=state.status is WorkloadStatus.STOPPED,
                    has_failed=any(one.status is InstanceStatus.FAILED for one in state.instances),
                )
                for state in states
            ),
            krane_tasks=frozenset(KraneTask(task.task_id, task.namespace) for task in tasks),
            invocations=frozenset(invocation.id for invocation in invocations),
            busy_projects=frozenset(invocation.key for invocation in invocations if _is_under_way(invocation)),
        )

    async def _repair(self, finding: Finding) -> None:
        match finding.repair:
            case Repair.CANCEL | Repair.FAIL:
                await self._end(finding)
            case Repair.CLEAR:
                await self._clear(finding)
            case Repair.STOP:
                # Queued behind operations that begin meanwhile and may start the deployment again.
                body = RetireRequest(deployment_id=finding.deployment_id).SerializeToString()
                await self._restate.send(SERVICE, finding.project_id, "Retire", body)
            case Repair.START:
                await self._start(finding)
            case _:
                assert_never(finding.repair)

    async def _end(self, finding: Finding) -> None:
        """End the row, so that late steps of its operation are refused; then remove what is left."""
        async with self._database.read() as session:
            steps = await list_steps(session, finding.deployment_id)
        failure = Failure(
            step=next((step.name for step in reversed(steps) if step.operation_id == finding.invocation_id), ""),
            reason=finding.reason,
            is_cancelled=finding.repair is Repair.CANCEL,
        )
        await self._effects.row.fail(finding.project_id, finding.deployment_id, finding.invocation_id, failure)
        await self._clear(finding)

    async def _clear(self, finding: Finding) -> None:
        """Remove routes, then instances, task, build and records, unless the row says that they are needed."""
        deployment_id = finding.deployment_id
        async with self._database.read() as session:
            status = await reconcile.read_status(session, deployment_id)
        if status is not None and status not in GONE:
            return
        if status is DeploymentStatus.REMOVED:
            withdrawn = await self._transactions.withdraw(finding.project_id, deployment_id)
            await self._routing.sync_gateways(withdrawn.revision)
        else:
            await self._restore(finding.project_id, deployment_id)
        await self._effects.build.cancel(finding.workspace_id, deployment_id)
        await self._effects.release.delete(finding.workspace_id, deployment_id)
        await self._effects.instances.delete(finding.workspace_id, deployment_id)
        await self._effects.instances.forget(deployment_id)

    async def _restore(self, project_id: str, deployment_id: str) -> None:
        """Undo the routing operations of a deployment that failed or was cancelled."""
        async with self._database.read() as session:
            operations = await reconcile.list_standing_operations(session, deployment_id)
        restored = [await self._transactions.restore(project_id, operation) for operation in operations]
        if restored:
            await self._routing.sync_gateways(restored[-1].revision)

    async def _start(self, finding: Finding) -> None:
        """Start a ready deployment from its image; `watch_instances` then updates its records."""
        async with self._database.read() as session:
            metadata = await deployments.fetch_metadata(session, finding.project_id, finding.deployment_id)
        if metadata.status is not DeploymentStatus.READY or not metadata.image:
            return
        try:
            # A pull takes longer than a call, and goes on until the next pass.
            is_of_registry = registry_of(metadata.image) is not None
            if is_of_registry and not await self._effects.image.pull(metadata.workspace_id, metadata.image):
                return
            await self._effects.instances.create(metadata, metadata.image)
            await self._effects.instances.start(metadata.workspace_id, metadata.deployment_id, metadata.image)
        except PreconditionFailed as error:
            if not self._rebuilds.begin(metadata):
                raise
            log.warning("image is built again", deployment_id=metadata.deployment_id, reason=error.message)

    async def _prune(self) -> None:
        async with self._database.read() as session:
            needed = await reconcile.list_needed_images(session)
        unneeded = timedelta(seconds=self._settings.prune_after_seconds)
        removed = await self._krane.prune_images(needed, unneeded)
        if removed:
            log.info("images removed", actor=ACTOR, removed=removed, reason="no deployment needs them")


def _is_under_way(invocation: Invocation) -> bool:
    # A retirement that waits for the end of the drain does nothing yet.
    return invocation.status != "scheduled"


def _fields(finding: Finding) -> dict[str, str]:
    return {
        "actor": ACTOR,
        "repair": finding.repair,
        "deployment_id": finding.deployment_id,
        "reason": finding.reason,
    }
