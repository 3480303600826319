"""Each routing operation is one transaction over domains, gateway configs, live pointer, flag and ledger."""

import asyncio
import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import select

from services.db.deployment_requests import request_cancel
from services.db.deployments import record_failure
from services.db.engine import Database
from services.db.operations import newest_standing_operation
from services.db.routes import read_revision
from services.db.tables import Deployment, Domain, GatewayConfig, Project, RoutingChange, RoutingOperation
from services.domain.errors import Conflict, NotFound, PreconditionFailed, Unavailable
from services.domain.status import DeploymentStatus
from services.domain.stickiness import Sticky, WantedDomain
from services.routing.transactions import AssignCommand, RoutingTransactions, SwitchCommand
from tests.builders import add_deployment, add_project

APEX = "interlock.localhost"
LIVE, ENVIRONMENT, BRANCH = f"api-acme.{APEX}", f"api-production-acme.{APEX}", f"api-git-main-acme.{APEX}"
SWITCHES = 12


@dataclass(frozen=True, slots=True)
class State:
    """What routing owns of one project."""

    live: str | None
    is_rolled_back: bool
    # Deployment ids by hostname.
    domains: dict[str, str]
    configs: dict[str, str]


@dataclass(frozen=True, slots=True)
class Everything:
    """All that an operation could have written."""

    state: State
    revision: int
    ledger: tuple[tuple[str, bool], ...]
    changes: int


class Routing:
    """RoutingTransactions over one project, with a view of what they wrote."""

    def __init__(self, database: Database, project: Project) -> None:
        self.database = database
        self.project = project
        self.transactions = RoutingTransactions(database, APEX)

    async def deployment(self, **fields: object) -> Deployment:
        return await add_deployment(self.database, self.project.id, **fields)  # pyright: ignore[reportArgumentType]

    def assign_command(
        self, deployment: Deployment, domains: Sequence[WantedDomain] | None = None, operation_id: str = ""
    ) -> AssignCommand:
        return AssignCommand(
            operation_id=operation_id or f"assign_{deployment.id}",
            project_id=self.project.id,
            workspace_id=deployment.workspace_id,
            environment_id=deployment.environment_id,
            deployment_id=deployment.id,
            domains=tuple(wanted(deployment) if domains is None else domains),
        )

    async def assign(self, deployment: Deployment, domains: Sequence[WantedDomain] | None = None) -> None:
        await self.transactions.assign(self.assign_command(deployment, domains))

    def rollback_command(self, source: Deployment, target: Deployment, *hostnames: str) -> SwitchCommand:
        return SwitchCommand(
            operation_id=f"rollback_{source.id}",
            project_id=self.project.id,
            deployment_id=target.id,
            domain_ids=hostnames,
            kind="rollback",
            is_rolled_back=True,
            expected_live=source.id,
            expected_operation=None,
        )

    async def newest_operation(self) -> str:
        async with self.database.read() as session:
            return await newest_standing_operation(session, self.project.id)

    async def domain_ids(self, *hostnames: str) -> list[str]:
        async with self.database.read() as session:
            return list(await session.scalars(select(Domain.id).where(Domain.hostname.in_(hostnames))))

    async def state(self) -> State:
        return (await self.everything()).state

    async def everything(self) -> Everything:
        async with self.database.read() as session:
            project = (await session.scalars(select(Project).where(Project.id == self.project.id))).one()
            domains = await session.scalars(select(Domain))
            configs = await session.scalars(select(GatewayConfig))
            ledger = await session.scalars(select(RoutingOperation).order_by(RoutingOperation.id))
            return Everything(
                state=State(
                    live=project.live_deployment_id,
                    is_rolled_back=project.is_rolled_back,
                    domains={row.hostname: row.deployment_id for row in domains},
                    configs={row.hostname: row.deployment_id for row in configs},
                ),
                revision=await read_revision(session),
                ledger=tuple((row.id, row.is_undone) for row in ledger),
                changes=len((await session.scalars(select(RoutingChange.hostname))).all()),
            )


def wanted(deployment: Deployment) -> list[WantedDomain]:
    """What a production deployment of branch main asks for."""
    return [
        WantedDomain(hostname=commit_name(deployment), sticky=Sticky.COMMIT),
        WantedDomain(hostname=BRANCH, sticky=Sticky.BRANCH),
        WantedDomain(hostname=ENVIRONMENT, sticky=Sticky.ENVIRONMENT),
        WantedDomain(hostname=LIVE, sticky=Sticky.LIVE),
    ]


def commit_name(deployment: Deployment) -> str:
    return f"{deployment.id.replace('_', '-')}.{APEX}"


@pytest.fixture
async def routing(database: Database) -> Routing:
    return Routing(database, await add_project(database))


# -- assign ------------------------------------------------------------------------------------------------------------


async def test_an_assignment_moves_domains_gateway_configs_and_live_together(routing: Routing) -> None:
    first, second = await routing.deployment(), await routing.deployment()
    await routing.assign(first)

    routed = await routing.transactions.assign(routing.assign_command(second))

    state = await routing.state()
    assert state.live == second.id
    assert state.domains == state.configs
    assert state.domains == {
        commit_name(first): first.id,
        commit_name(second): second.id,
        BRANCH: second.id,
        ENVIRONMENT: second.id,
        LIVE: second.id,
    }
    assert set(routed.hostnames) == {commit_name(second), BRANCH, ENVIRONMENT, LIVE}
    assert routed.is_live
    assert routed.revision == 2


async def test_local_names_outside_the_apex_get_a_domain_but_no_gateway_config(routing: Routing) -> None:
    deployment = await routing.deployment()
    names = ["localhost", "printer.local", "api.test", "other.localhost", "www.example.com", f"www.{APEX}"]

    await routing.assign(deployment, [WantedDomain(hostname=name, sticky=Sticky.LIVE) for name in names])

    state = await routing.state()
    assert set(state.domains) == set(names)
    assert set(state.configs) == {"www.example.com", f"www.{APEX}"}


async def test_while_rolled_back_a_deploy_takes_neither_live_nor_production(routing: Routing) -> None:
    first, second = await routing.deployment(), await routing.deployment()
    await routing.assign(first)
    await routing.assign(second)
    ids = await routing.domain_ids(ENVIRONMENT, LIVE)
    await routing.transactions.switch(routing.rollback_command(second, first, *ids))
    third = await routing.deployment()
    command = routing.assign_command(third)

    routed = await routing.transactions.assign(command)

    assert await routing.transactions.assign(command) == routed
    state = await routing.state()
    assert (state.live, state.domains[LIVE], state.domains[ENVIRONMENT]) == (first.id, first.id, first.id)
    assert state.domains[BRANCH] == state.domains[commit_name(third)] == third.id
    assert {held.hostname for held in routed.held} == {LIVE, ENVIRONMENT}
    assert not routed.is_live


async def test_a_rollback_made_during_a_build_holds_when_the_build_ends(routing: Routing) -> None:
    """The flag is read inside the transaction: what the request was made with may be stale."""
    first, second, building = (
        await routing.deployment(),
        await routing.deployment(),
        await routing.deployment(status=DeploymentStatus.NETWORK),
    )
    await routing.assign(first)
    await routing.assign(second)
    command = routing.assign_command(building)
    ids = await routing.domain_ids(ENVIRONMENT, LIVE)
    await routing.transactions.switch(routing.rollback_command(second, first, *ids))

    await routing.transactions.assign(command)

    assert (await routing.state()).live == first.id


async def test_of_two_deployments_that_finish_in_the_wrong_order_the_newer_one_is_live(routing: Routing) -> None:
    older, newer = await routing.deployment(), await routing.deployment()
    await routing.assign(newer)

    await routing.assign(older)

    state = await routing.state()
    assert state.live == state.domains[LIVE] == state.domains[ENVIRONMENT] == state.domains[BRANCH] == newer.id
    assert state.domains[commit_name(older)] == older.id


# -- switch ------------------------------------------------------------------------------------------------------------


async def test_a_rollback_moves_domains_live_and_flag_together(routing: Routing) -> None:
    first, second = await routing.deployment(), await routing.deployment()
    await routing.assign(first)
    await routing.assign(second)
    ids = await routing.domain_ids(ENVIRONMENT, LIVE)

    routed = await routing.transactions.switch(routing.rollback_command(second, first, *ids))

    state = await routing.state()
    assert (state.live, state.is_rolled_back) == (first.id, True)
    assert state.domains == state.configs
    assert state.domains[ENVIRONMENT] == state.domains[LIVE] == first.id
    assert state.domains[BRANCH] == state.domains[commit_name(second)] == second.id
    assert (set(routed.hostnames), routed.revision) == ({ENVIRONMENT, LIVE}, 3)


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", sorted(set(DeploymentStatus) - {DeploymentStatus.NETWORK, DeploymentStatus.READY}))
async def test_nothing_points_at_a_deployment_that_is_not_up(routing: Routing, status: DeploymentStatus) -> None:
    deployment = await routing.deployment(status=status)
    before = await routing.everything()

    with pytest.raises(PreconditionFailed, match=f"is {status}"):
        await routing.assign(deployment)

    assert await routing.everything() == before


async def test_nothing_points_at_a_deployment_without_a_healthy_instance(routing: Routing) -> None:
    first, dead = await routing.deployment(), await routing.deployment(healthy=False)
    await routing.assign(first)
    ids = await routing.domain_ids(LIVE)
    before = await routing.everything()

    with pytest.raises(PreconditionFailed, match="no healthy instance"):
        await routing.assign(dead)
    with pytest.raises(PreconditionFailed, match="no healthy instance"):
        await routing.transactions.switch(routing.rollback_command(first, dead, *ids))

    assert await routing.everything() == before


async def test_a_hostname_of_another_workspace_refuses_the_whole_assignment(routing: Routing) -> None:
    await routing.assign(await routing.deployment())
    theirs = Routing(routing.database, await add_project(routing.database, workspace="evil"))
    thief = await theirs.deployment()
    before = await routing.everything()
    grab = [
        WantedDomain(hostname="free.example.com", sticky=Sticky.LIVE),
        WantedDomain(hostname=LIVE, sticky=Sticky.LIVE),
    ]

    with pytest.raises(Conflict, match="is taken"):
        await theirs.assign(thief, grab)

    assert await routing.everything() == before


async def test_a_commit_domain_never_moves(routing: Routing) -> None:
    first, second = await routing.deployment(), await routing.deployment()
    await routing.assign(first)
    before = await routing.everything()

    with pytest.raises(Conflict, match="never moves"):
        await routing.assign(second, [WantedDomain(hostname=commit_name(first), sticky=Sticky.COMMIT)])
    with pytest.raises(PreconditionFailed, match="never moves"):
        await routing.transactions.switch(
            replace(
                routing.rollback_command(first, second, *await routing.domain_ids(commit_name(first))),
                expected_live=None,
            )
        )

    assert await routing.everything() == before


@pytest.mark.parametrize("wrong", ["workspace_id", "environment_id"])
async def test_an_assignment_must_name_the_deployments_own_workspace_and_environment(
    routing: Routing, wrong: str
) -> None:
    deployment = await routing.deployment()
    before = await routing.everything()

    with pytest.raises(PreconditionFailed, match="is not in workspace"):
        await routing.transactions.assign(replace(routing.assign_command(deployment), **{wrong: "other"}))

    assert await routing.everything() == before


async def test_another_projects_deployment_or_domain_is_unknown(routing: Routing) -> None:
    mine = await routing.deployment()
    await routing.assign(mine)
    other = Routing(routing.database, await add_project(routing.database, "other"))
    theirs = await other.deployment()
    before = await routing.everything()

    with pytest.raises(NotFound, match=theirs.id):
        await routing.transactions.switch(routing.rollback_command(mine, theirs, *await routing.domain_ids(LIVE)))
    with pytest.raises(NotFound, match="no domain"):
        await other.transactions.switch(
            replace(other.rollback_command(theirs, theirs, *await routing.domain_ids(LIVE)), expected_live=None)
        )

    assert await routing.everything() == before


async def test_an_unknown_project_is_refused(routing: Routing) -> None:
    deployment = await routing.deployment()

    with pytest.raises(NotFound, match="no project p_missing"):
        await routing.transactions.assign(replace(routing.assign_command(deployment), project_id="p_missing"))


async def test_a_switch_is_refused_when_another_deployment_became_live_meanwhile(routing: Routing) -> None:
    first, second = await routing.deployment(), await routing.deployment()
    await routing.assign(first)
    await routing.assign(second)
    ids = await routing.domain_ids(LIVE)
    before = await routing.everything()

    with pytest.raises(PreconditionFailed, match=f"{first.id} is no longer live, {second.id} is"):
        await routing.transactions.switch(routing.rollback_command(first, second, *ids))

    assert await routing.everything() == before


# -- repeats and undoing -----------------------------------------------------------------------------------------------


async def test_the_same_assignment_twice_answers_the_same_and_changes_nothing(routing: Routing) -> None:
    command = routing.assign_command(await routing.deployment())
    first = await routing.transactions.assign(command)
    before = await routing.everything()

    second = await routing.transactions.assign(command)

    assert second == first
    assert await routing.everything() == before


async def test_a_repeat_does_not_undo_what_came_after_the_first_time(routing: Routing) -> None:
    older, newer = await routing.deployment(), await routing.deployment()
    command = routing.assign_command(older)
    await routing.transactions.assign(command)
    await routing.assign(newer)
    before = await routing.everything()

    await routing.transactions.assign(command)

    assert await routing.everything() == before


async def test_the_same_switch_twice_answers_the_same_and_changes_nothing(routing: Routing) -> None:
    """The second time live is not where the request expects it any more: because of the first."""
    first, second = await routing.deployment(), await routing.deployment()
    await routing.assign(first)
    await routing.assign(second)
    command = routing.rollback_command(second, first, *await routing.domain_ids(ENVIRONMENT, LIVE))
    answer = await routing.transactions.switch(command)
    before = await routing.everything()

    assert await routing.transactions.switch(command) == answer

    assert await routing.everything() == before


async def test_an_operation_id_names_one_deployments_change_only(routing: Routing) -> None:
    first, second = await routing.deployment(), await routing.deployment()
    await routing.transactions.assign(routing.assign_command(first, operation_id="op_1"))

    with pytest.raises(Conflict, match="op_1"):
        await routing.transactions.assign(routing.assign_command(second, operation_id="op_1"))


async def test_restoring_an_assignment_brings_back_what_was(routing: Routing) -> None:
    first, second = await routing.deployment(), await routing.deployment()
    await routing.assign(first)
    before = await routing.state()
    await routing.assign(second)

    restored = await routing.transactions.restore(routing.project.id, f"assign_{second.id}")

    assert await routing.state() == before
    assert set(restored.hostnames) == {commit_name(second), BRANCH, ENVIRONMENT, LIVE}
    assert restored.revision == 3


async def test_restoring_the_first_assignment_leaves_nothing(routing: Routing) -> None:
    deployment = await routing.deployment()
    await routing.assign(deployment)

    await routing.transactions.restore(routing.project.id, f"assign_{deployment.id}")

    assert await routing.state() == State(live=None, is_rolled_back=False, domains={}, configs={})


async def test_restoring_a_rollback_brings_back_live_and_flag(routing: Routing) -> None:
    first, second = await routing.deployment(), await routing.deployment()
    await routing.assign(first)
    await routing.assign(second)
    before = await routing.state()
    ids = await routing.domain_ids(ENVIRONMENT, LIVE)
    await routing.transactions.switch(routing.rollback_command(second, first, *ids))

    await routing.transactions.restore(routing.project.id, f"rollback_{second.id}")

    assert await routing.state() == before


async def test_restoring_twice_changes_nothing_more(routing: Routing) -> None:
    deployment = await routing.deployment()
    await routing.assign(deployment)
    await routing.transactions.restore(routing.project.id, f"assign_{deployment.id}")
    before = await routing.everything()

    again = await routing.transactions.restore(routing.project.id, f"assign_{deployment.id}")

    assert again.hostnames == ()
    assert await routing.everything() == before


async def test_restoring_leaves_what_a_later_operation_took(routing: Routing) -> None:
    first, second = await routing.deployment(), await routing.deployment()
    await routing.assign(first)
    await routing.assign(second)

    await routing.transactions.restore(routing.project.id, f"assign_{first.id}")

    state = await routing.state()
    assert state.live == state.domains[LIVE] == second.id
    assert commit_name(first) not in state.domains


async def test_an_operation_that_was_undone_before_it_ran_cannot_land_late(routing: Routing) -> None:
    deployment = await routing.deployment()
    before = await routing.state()

    await routing.transactions.restore(routing.project.id, f"assign_{deployment.id}")
    with pytest.raises(Conflict, match="was undone"):
        await routing.assign(deployment)

    assert await routing.state() == before


async def test_an_operation_that_was_undone_cannot_run_again(routing: Routing) -> None:
    deployment = await routing.deployment()
    await routing.assign(deployment)
    await routing.transactions.restore(routing.project.id, f"assign_{deployment.id}")

    with pytest.raises(Conflict, match="was undone"):
        await routing.assign(deployment)


async def test_another_projects_operation_cannot_be_undone(routing: Routing) -> None:
    deployment = await routing.deployment()
    await routing.assign(deployment)
    before = await routing.everything()
    other = await add_project(routing.database, "other")

    await routing.transactions.restore(other.id, f"assign_{deployment.id}")

    assert await routing.everything() == before


async def test_a_removed_deployment_loses_its_own_hostname_once(routing: Routing) -> None:
    first, second = await routing.deployment(), await routing.deployment()
    await routing.assign(first)
    await routing.assign(second)

    withdrawn = await routing.transactions.withdraw(routing.project.id, first.id)
    state, before = await routing.state(), await routing.everything()
    again = await routing.transactions.withdraw(routing.project.id, first.id)

    assert withdrawn.hostnames == (commit_name(first),)
    assert commit_name(first) not in {*state.domains, *state.configs}
    assert set(state.domains.values()) == {second.id}
    assert (again.hostnames, again.revision) == ((), withdrawn.revision)
    assert await routing.everything() == before


# -- a writer that was held up and lands late --------------------------------------------------------------------------


async def test_a_deployment_with_an_acknowledged_cancel_does_not_become_live(routing: Routing) -> None:
    first = await routing.deployment()
    cancelled = await routing.deployment(status=DeploymentStatus.NETWORK, invocation_id="inv_1")
    await routing.assign(first)
    before = await routing.everything()

    async with routing.database.write() as session:
        assert (await request_cancel(session, cancelled.id, "wrong branch")).accepted
    # Weather: the cancel arrives while the step waits for its next attempt.
    with pytest.raises(Unavailable, match="is being cancelled"):
        await routing.transactions.assign(routing.assign_command(cancelled))

    assert await routing.everything() == before


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_a_late_assignment_is_refused_once_its_deployment_has_ended(routing: Routing, is_cancelled: bool) -> None:
    first = await routing.deployment()
    late = await routing.deployment(status=DeploymentStatus.NETWORK)
    await routing.assign(first)
    before = await routing.everything()
    command = routing.assign_command(late)

    async with routing.database.write() as session:
        await record_failure(
            session,
            routing.project.id,
            late.id,
            "inv_1",
            step="assign domains",
            reason="gave up",
            log="",
            is_cancelled=is_cancelled,
        )
    with pytest.raises(PreconditionFailed, match="cannot take traffic"):
        await routing.transactions.assign(command)

    assert await routing.everything() == before


async def test_a_late_assignment_takes_nothing_that_newer_deployments_and_operations_hold(routing: Routing) -> None:
    late, second, third = [await routing.deployment() for _ in range(3)]
    command = routing.assign_command(late)
    await routing.assign(second)
    await routing.assign(third)
    ids = await routing.domain_ids(LIVE, ENVIRONMENT)
    await routing.transactions.switch(routing.rollback_command(third, second, *ids))
    before = await routing.state()

    routed = await routing.transactions.assign(command)

    assert (routed.hostnames, routed.is_live) == ((commit_name(late),), False)
    after = await routing.state()
    own = {commit_name(late): late.id}
    assert after == replace(before, domains=before.domains | own, configs=before.configs | own)


@pytest.mark.parametrize("kind", ["rollback", "promote"])
async def test_a_late_switch_is_refused_although_live_is_where_it_was(routing: Routing, kind: str) -> None:
    first, second = await routing.deployment(), await routing.deployment()
    await routing.assign(first)
    await routing.assign(second)
    rollback = routing.rollback_command(second, first, *await routing.domain_ids(LIVE, ENVIRONMENT))
    late = replace(rollback, operation_id="late", kind=kind, expected_operation=await routing.newest_operation())
    await routing.transactions.switch(rollback)
    await routing.transactions.switch(
        replace(rollback, operation_id="back", deployment_id=second.id, is_rolled_back=False, expected_live=first.id)
    )
    before = await routing.everything()

    with pytest.raises(PreconditionFailed, match="moved meanwhile, by operation back"):
        await routing.transactions.switch(late)

    assert await routing.everything() == before


async def test_a_switch_goes_on_when_what_came_between_was_undone(routing: Routing) -> None:
    first, second, third = [await routing.deployment() for _ in range(3)]
    await routing.assign(first)
    await routing.assign(second)
    command = replace(
        routing.rollback_command(second, first, *await routing.domain_ids(LIVE, ENVIRONMENT)),
        expected_operation=await routing.newest_operation(),
    )
    await routing.assign(third)
    await routing.transactions.restore(routing.project.id, f"assign_{third.id}")

    await routing.transactions.switch(command)

    assert (await routing.state()).live == first.id


async def test_a_late_assignment_takes_nothing_once_the_newer_one_was_undone_and_it_was_barred(
    routing: Routing,
) -> None:
    first, late, newer = [await routing.deployment() for _ in range(3)]
    await routing.assign(first)
    command = routing.assign_command(late)
    await routing.assign(newer)
    await routing.transactions.restore(routing.project.id, f"assign_{newer.id}")
    await routing.transactions.restore(routing.project.id, command.operation_id)
    before = await routing.state()

    with pytest.raises(Conflict, match="was undone"):
        await routing.transactions.assign(command)

    assert await routing.state() == before
    assert before.live == first.id


async def test_a_late_rollback_is_refused_once_it_was_undone_or_live_has_moved(routing: Routing) -> None:
    first, second = [await routing.deployment() for _ in range(2)]
    await routing.assign(first)
    await routing.assign(second)
    undone = routing.rollback_command(second, first, *await routing.domain_ids(LIVE, ENVIRONMENT))
    outrun = replace(undone, operation_id="rollback_outrun")
    await routing.transactions.restore(routing.project.id, undone.operation_id)

    with pytest.raises(Conflict, match="was undone"):
        await routing.transactions.switch(undone)
    third = await routing.deployment()
    await routing.assign(third)
    before = await routing.everything()
    with pytest.raises(PreconditionFailed, match="is no longer live"):
        await routing.transactions.switch(outrun)

    assert await routing.everything() == before


# -- atomicity ---------------------------------------------------------------------------------------------------------


def is_whole(state: State) -> bool:
    """Whether everything that follows live agrees with the pointer, domains with configs, and the flag with both."""
    following = {state.domains[LIVE], state.domains[ENVIRONMENT], state.configs[LIVE], state.configs[ENVIRONMENT]}
    return following == {state.live} and state.domains == state.configs


class Reader(threading.Thread):
    """Reads in a thread and event loop of its own, over connections of its own, until it is stopped."""

    def __init__(self, url: str, project: Project) -> None:
        super().__init__()
        self._url = url
        self._project = project
        self._is_stopped = threading.Event()
        self.states: list[State] = []

    def run(self) -> None:
        asyncio.run(self._read())

    async def _read(self) -> None:
        database = Database(self._url)
        routing = Routing(database, self._project)
        while not self._is_stopped.is_set():
            self.states.append(await routing.state())
        await database.close()

    def stop(self) -> None:
        self._is_stopped.set()
        self.join()


async def test_a_reader_never_sees_half_of_an_operation(routing: Routing) -> None:
    first, second = await routing.deployment(), await routing.deployment()
    await routing.assign(first)
    await routing.assign(second)
    ids = await routing.domain_ids(ENVIRONMENT, LIVE)
    reader = Reader(routing.database.url, routing.project)
    reader.start()

    both = {(second.id, False), (first.id, True)}
    seen: set[tuple[str | None, bool]] = set()
    async with asyncio.timeout(30):
        for number in itertools.count():
            command = replace(routing.rollback_command(second, first, *ids), operation_id=f"op_{number}")
            await routing.transactions.switch(command)
            await routing.transactions.restore(routing.project.id, command.operation_id)
            seen = {(state.live, state.is_rolled_back) for state in reader.states}
            if number >= SWITCHES and seen == both:
                break
    await asyncio.to_thread(reader.stop)

    assert all(is_whole(state) for state in reader.states)
    assert seen == both
