"""The routing transactions: read the current rows, plan by the pure rules, write all changes together.

Each has an operation id and may run twice: the second run returns the result from the ledger. An operation that was
undone before it ran is refused if it runs later.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from services.db import domains, operations
from services.db.engine import Database
from services.db.ids import new_id
from services.db.routes import read_revision
from services.db.tables import RoutingOperation
from services.domain.errors import Conflict, PreconditionFailed
from services.domain.routing_plan import (
    DomainRecord,
    HeldDomain,
    ProjectRouting,
    RoutingPlan,
    Target,
    plan_assign,
    plan_beside_live,
    plan_restore,
    plan_switch,
    plan_withdraw,
)
from services.domain.status import DeploymentStatus
from services.domain.stickiness import WantedDomain

_ASSIGNABLE = frozenset({DeploymentStatus.NETWORK, DeploymentStatus.READY})
_SWITCHABLE = frozenset({DeploymentStatus.READY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """The changes of an operation, and the routing revision that gateways must reach."""

    hostnames: tuple[str, ...]
    held: tuple[HeldDomain, ...]
    is_live: bool
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingCommand:
    """A command to point domains at a deployment."""

    operation_id: str
    project_id: str
    deployment_id: str
    # assign, switch, rollback or promote
    kind: str
    # Actor and reason.
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignCommand(RoutingCommand):
    """Point domains at a new deployment."""

    kind: str = "assign"
    workspace_id: str
    environment_id: str
    domains: tuple[WantedDomain, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchCommand(RoutingCommand):
    """Point existing domains at a chosen deployment."""

    domain_ids: tuple[str, ...]
    # New value of the rolled-back flag; None keeps it.
    is_rolled_back: bool | None
    # Refused unless this deployment is live in the transaction; None: no check.
    expected_live: str | None
    # Refused unless this is the project's newest operation that was not undone; None: no check.
    expected_operation: str | None


class RoutingTransactions:
    """The effects behind RoutingService."""

    def __init__(self, database: Database, apex: str) -> None:
        self._database = database
        self._apex = apex

    async def assign(self, command: AssignCommand) -> Routed:
        """Point domains at a new deployment. Raises Conflict, NotFound or PreconditionFailed (see `plan_assign`)."""

        def decide(project: ProjectRouting, target: Target, existing: Sequence[DomainRecord]) -> RoutingPlan:
            if (command.workspace_id, command.environment_id) != (project.workspace_id, target.environment_id):
                raise PreconditionFailed(
                    f"deployment {command.deployment_id} is not in workspace {command.workspace_id}, "
                    f"environment {command.environment_id}"
                )
            return plan_assign(project, target, command.domains, existing)

        hostnames = [domain.hostname for domain in command.domains]
        return await self._run(command, _ASSIGNABLE, hostnames, decide)

    async def switch(self, command: SwitchCommand) -> Routed:
        """Point existing domains at a deployment. Raises NotFound or PreconditionFailed (see `plan_switch`)."""

        def decide(project: ProjectRouting, target: Target, existing: Sequence[DomainRecord]) -> RoutingPlan:
            if command.expected_live is not None and project.live_deployment_id != command.expected_live:
                raise PreconditionFailed(
                    f"{command.expected_live} is no longer live, {project.live_deployment_id} is; check and try again"
                )
            return plan_switch(project, target, command.domain_ids, existing, is_rolled_back=command.is_rolled_back)

        return await self._run(command, _SWITCHABLE, [], decide, expected_operation=command.expected_operation)

    async def restore(self, project_id: str, operation_id: str) -> Routed:
        """Undo the changes of an operation that are still in place. Succeeds if there are none, or if it never ran."""
        async with self._database.write() as session:
            project = await domains.load_project(session, project_id)
            operation = await operations.find_operation(session, operation_id)
            if operation is None:
                await self._bar(session, project, operation_id)
                return await _unchanged(session)
            if operation.is_undone or operation.project_id != project_id:
                return await _unchanged(session)
            current = {
                record.hostname: record.deployment_id for record in await domains.load_domains(session, project_id)
            }
            plan = plan_restore(project, await operations.load_changes(session, operation), current)
            operation.is_undone = True
            revision = await domains.apply_plan(session, project, plan, self._apex)
            return _routed(plan, operation.deployment_id, revision)

    async def withdraw(self, project_id: str, deployment_id: str) -> Routed:
        """Delete the hostnames of a removed deployment; safe to repeat. Raises what `plan_withdraw` raises."""
        async with self._database.write() as session:
            project = await domains.load_project(session, project_id)
            plan = plan_withdraw(project, deployment_id, await domains.load_domains(session, project_id))
            if not plan.changes:
                return await _unchanged(session)
            revision = await domains.apply_plan(session, project, plan, self._apex)
            await operations.record_operation(
                session, new_id("op"), project_id, operations.WITHDRAW, deployment_id, plan, revision
            )
            return _routed(plan, deployment_id, revision)

    async def _run(
        self,
        command: RoutingCommand,
        statuses: frozenset[DeploymentStatus],
        hostnames: Sequence[str],
        decide: Callable[[ProjectRouting, Target, Sequence[DomainRecord]], RoutingPlan],
        *,
        expected_operation: str | None = None,
    ) -> Routed:
        async with self._database.write() as session:
            done = await operations.find_operation(session, command.operation_id)
            if done is not None:
                return await _repeat(session, done, command.deployment_id)
            if expected_operation is not None:
                await _check_newest(session, command.project_id, expected_operation)
            project = await domains.load_project(session, command.project_id)
            target = await domains.load_target(session, command.project_id, command.deployment_id, statuses)
            existing = await domains.load_domains(session, command.project_id, hostnames)
            plan = decide(project, target, existing)
            revision = await domains.apply_plan(session, project, plan, self._apex)
            await operations.record_operation(
                session,
                command.operation_id,
                command.project_id,
                command.kind,
                command.deployment_id,
                plan,
                revision,
                note=command.note,
            )
            return _routed(plan, command.deployment_id, revision)

    async def _bar(self, session: AsyncSession, project: ProjectRouting, operation_id: str) -> None:
        """Record an operation that never ran as undone, so that it cannot run after its undo."""
        nothing, revision = plan_beside_live(project), await read_revision(session)
        await operations.record_operation(
            session, operation_id, project.id, "barred", None, nothing, revision, is_undone=True
        )


async def _check_newest(session: AsyncSession, project_id: str, expected: str) -> None:
    newest = await operations.newest_standing_operation(session, project_id)
    if newest != expected:
        raise PreconditionFailed(
            f"hostnames of project {project_id} moved meanwhile, by operation {newest or 'none'}; check and try again"
        )


async def _repeat(session: AsyncSession, operation: RoutingOperation, deployment_id: str) -> Routed:
    if operation.is_undone or operation.deployment_id != deployment_id:
        raise Conflict(f"routing operation {operation.id} was undone and cannot run again; start a new one")
    return _routed(await operations.load_changes(session, operation), deployment_id, operation.revision)


async def _unchanged(session: AsyncSession) -> Routed:
    return Routed(hostnames=(), held=(), is_live=False, revision=await read_revision(session))


def _routed(plan: RoutingPlan, deployment_id: str | None, revision: int) -> Routed:
    return Routed(
        hostnames=tuple(change.hostname for change in plan.changes),
        held=plan.held,
        is_live=plan.live_after == deployment_id,
        revision=revision,
    )
