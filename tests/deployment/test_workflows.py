"""Every operation is refused, cancelled and repeated at each of its steps, without Restate.

No step is named here: a run that goes well is recorded and tells them, so that a new one is tried without a new test.
What only the real parts show is left to `tests/faults`.
"""

import itertools
import re
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from services.config import ROOT
from services.db.deployment_requests import DeploymentRequest, record_deployment
from services.db.deployments import set_status
from services.db.domains import list_sticky_domains
from services.db.instances import delete_instances
from services.db.operations import newest_standing_operation
from services.db.projects import PRODUCTION, create_project
from services.domain.git import GitSource
from services.domain.settings import RunSettings
from services.domain.status import DeploymentStatus
from services.durable.failpoints import Moment
from services.durable.saga import is_cancel
from services.gen.gateway.v1 import gateway_pb2
from services.gen.hydra.v1 import deployment_pb2 as pb
from services.gen.hydra.v1 import routing_pb2
from tests import boxes
from tests.deployment.bench import REFUSAL, Bench, Entry, Ran, Slate, World, opened
from tests.deployment.fakes import FETCHED

DEPLOY, ROLLBACK, PROMOTE, RETIRE, ASSIGN, SWITCH = (
    f"DeploymentService/{name}"
    for name in ("Deploy", "Rollback", "Promote", "Retire", "AssignDomains", "SwitchDomains")
)
RESTORE = "RoutingService/RestoreDomains"


class Stage:
    """A project with two ready deployments, "old" and "new", of which the newer one is live."""

    def __init__(self, bench: Bench, project_id: str, ids: dict[str, str]) -> None:
        self.bench = bench
        self.project_id = project_id
        # Of its deployments, by name.
        self.ids = ids

    def copy(self) -> "Stage":
        return Stage(self.bench, self.project_id, dict(self.ids))

    async def record(self, name: str, **origin: Any) -> str:
        """A pending deployment."""
        fields: dict[str, Any] = {"source": None, "image": None, "branch": "main", **origin}
        request = DeploymentRequest(
            workspace="acme",
            project="app",
            environment=PRODUCTION,
            commit_sha="",
            message="",
            variables={"GREETING": "hello"},
            **fields,
        )
        async with self.bench.database.write() as session:
            self.ids[name] = await record_deployment(session, request, None)
        return self.ids[name]

    async def deploy(self, name: str) -> None:
        """A ready deployment."""
        await self.done(DEPLOY, pb.DeployRequest(deployment_id=await self.record(name, source=FETCHED)))

    async def done(self, handler: str, request: Message) -> None:
        """An operation that goes well."""
        ran = await self.bench.run(handler, self.project_id, request)
        assert ran.error is None, ran.error

    async def stop(self, name: str) -> None:
        """As retiring it does."""
        async with self.bench.database.write() as session:
            await set_status(session, self.ids[name], DeploymentStatus.STOPPED)
            await delete_instances(session, self.ids[name])
        await self.bench.krane.stop("", self.ids[name])

    async def row(self, name: str) -> dict[str, Any]:
        """A deployment's row."""
        (row,) = self.bench.rows("select * from deployments where id = :id", id=self.ids[name])
        return row

    def slate(self) -> Slate:
        return self.bench.slate(self.project_id, self.ids)


# -- the operations ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """What is tried."""

    handler: str
    # Makes a stage ready for it and returns its request.
    prepare: Callable[[Stage], Awaitable[Message]]


def deploys(docker_image: str = "", **origin: Any) -> Operation:
    async def prepare(stage: Stage) -> Message:
        return pb.DeployRequest(deployment_id=await stage.record("third", **origin), docker_image=docker_image)

    return Operation(DEPLOY, prepare)


async def roll_back(stage: Stage) -> Message:
    return pb.RollbackRequest(source_deployment_id=stage.ids["new"], target_deployment_id=stage.ids["old"])


async def roll_back_to_a_stopped_one(stage: Stage) -> Message:
    await stage.stop("old")
    return await roll_back(stage)


async def roll_back_to_one_that_is_gone(stage: Stage) -> Message:
    await stage.stop("old")
    await stage.bench.krane.delete("", stage.ids["old"])
    return await roll_back(stage)


async def promote(stage: Stage) -> Message:
    await stage.done(ROLLBACK, await roll_back(stage))
    return pb.PromoteRequest(target_deployment_id=stage.ids["new"])


async def promote_a_stopped_one(stage: Stage) -> Message:
    request = await promote(stage)
    await stage.stop("new")
    return request


async def assign(stage: Stage) -> Message:
    row = await stage.row("old")
    return routing_pb2.AssignDomainsRequest(
        workspace_id=row["workspace_id"],
        project_id=row["project_id"],
        environment_id=row["environment_id"],
        deployment_id=row["id"],
        domains=[routing_pb2.DomainToAssign(name="www.example.com", sticky=routing_pb2.DOMAIN_STICKY_BRANCH)],
    )


async def switch(stage: Stage) -> Message:
    environment_id = (await stage.row("old"))["environment_id"]
    async with stage.bench.database.read() as session:
        domain_ids = await list_sticky_domains(session, stage.project_id, environment_id)
    return routing_pb2.SwitchDomainsRequest(target_deployment_id=stage.ids["old"], domain_ids=domain_ids)


async def retire(stage: Stage) -> Message:
    await stage.deploy("third")
    return pb.RetireRequest(deployment_id=stage.ids["old"])


async def restore(stage: Stage) -> Message:
    async with stage.bench.database.read() as session:
        operation_id = await newest_standing_operation(session, stage.project_id)
    return routing_pb2.RestoreDomainsRequest(operation_id=operation_id)


GIT = GitSource(url="https://git.example.com/app.git", ref="")
RELEASE = RunSettings(release_command=("migrate",))
# Of each handler the longest way comes first.
UNDOABLE = {
    "deploy from git with a release command": deploys(git=GIT, branch="", settings=RELEASE),
    "deploy from an upload": deploys(source=FETCHED),
    "deploy from an image": deploys("registry.example.com/app:1"),
    "rollback to one that is gone": Operation(ROLLBACK, roll_back_to_one_that_is_gone),
    "cold rollback": Operation(ROLLBACK, roll_back_to_a_stopped_one),
    "warm rollback": Operation(ROLLBACK, roll_back),
    "cold promote": Operation(PROMOTE, promote_a_stopped_one),
    "warm promote": Operation(PROMOTE, promote),
    "assign domains": Operation(ASSIGN, assign),
    "switch domains": Operation(SWITCH, switch),
}
# These only go forward.
FORWARD = {"retire": Operation(RETIRE, retire), "restore domains": Operation(RESTORE, restore)}
OPERATIONS = UNDOABLE | FORWARD


# -- recordings --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A run that went well, and how the project stood before and after it."""

    stage: Stage
    begun: World
    before: Slate
    ran: Ran
    after: Slate

    @property
    def undoable(self) -> tuple[Entry, ...]:
        """The entries up to the commit: those of called handlers are the last of them."""
        return self.ran.entries[: len(self.ran.entries) - len(self.committed)]

    @property
    def committed(self) -> tuple[Entry, ...]:
        """The entries after the commit."""
        called = [entry.index for entry in self.ran.entries if "/" in entry.name]
        return self.ran.entries[called[-1] + 1 :] if called else ()


class Recordings:
    """A recording of each operation, made when it is first asked for. All begin with the same two deployments."""

    def __init__(self, bench: Bench, stage: Stage) -> None:
        self.bench = bench
        self._stage = stage
        self._begun = bench.world()
        self._made: dict[str, Recording] = {}

    async def of(self, name: str) -> Recording:
        if name not in self._made:
            self._made[name] = await self._record(OPERATIONS[name])
        return self._made[name]

    async def tried(self, name: str) -> list[Entry]:
        """The entries to fail at: those that no earlier operation has, and the last one, where most is to be undone."""
        recording = await self.of(name)
        fresh = await self._fresh(name)
        return [entry for entry in recording.undoable if entry.name in fresh or entry is recording.undoable[-1]]

    async def committed(self, name: str) -> list[Entry]:
        """The entries after the commit that no earlier operation has."""
        fresh = await self._fresh(name)
        return [entry for entry in (await self.of(name)).committed if entry.name in fresh]

    async def _fresh(self, name: str) -> set[str]:
        recording = await self.of(name)
        earlier = [await self.of(other) for other in itertools.takewhile(lambda other: other != name, UNDOABLE)]
        known = {e.name for other in earlier if other.ran.handler == recording.ran.handler for e in other.ran.entries}
        return {entry.name for entry in recording.ran.entries} - known

    async def _record(self, operation: Operation) -> Recording:
        self.bench.restore(self._begun)
        stage = self._stage.copy()
        request = await operation.prepare(stage)
        begun, before = self.bench.world(), stage.slate()
        ran = await self.bench.run(operation.handler, stage.project_id, request)
        assert ran.error is None, ran.error
        return Recording(stage=stage, begun=begun, before=before, ran=ran, after=stage.slate())


@pytest.fixture(scope="module")
async def recordings(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Recordings]:
    file = Path(shutil.copy(migrated_file, tmp_path_factory.mktemp("bench") / "interlock.db"))
    async with opened(file) as bench:
        async with bench.database.write() as session:
            stage = Stage(bench, (await create_project(session, "acme", "app")).id, {})
        await stage.deploy("old")
        await stage.deploy("new")
        yield Recordings(bench, stage)


def _assignment(**config: Any) -> Message:
    return routing_pb2.AssignDomainsRequest(gateway_config=gateway_pb2.GatewayConfig(**config))


# -- the tests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNDOABLE)
async def test_a_refusal_at_any_step_leaves_a_clean_slate(recordings: Recordings, name: str) -> None:
    recording = await recordings.of(name)
    tried = [(entry, moment) for entry in await recordings.tried(name) for moment in entry.moments]

    for entry, moment in tried:
        # What has had its effect is undone twice, as when nobody was told of the first time.
        is_twice = moment is not Moment.BEFORE
        ran = await recordings.bench.resume(recording.ran, entry, refused=moment, repeats_effects=is_twice)

        assert ran.error is not None
        assert_undone(recording, ran, f"{REFUSAL} at {entry.failpoint}/{moment}")
    assert tried


@pytest.mark.parametrize("name", UNDOABLE)
async def test_a_cancel_at_any_step_leaves_a_clean_slate(recordings: Recordings, name: str) -> None:
    recording = await recordings.of(name)

    for entry in await recordings.tried(name):
        ran = await recordings.bench.resume(recording.ran, entry, is_cancelled=True)

        assert ran.error is not None, entry.name
        assert is_cancel(ran.error), (entry.name, ran.error)
        assert_undone(recording, ran, "cancelled")


@pytest.mark.parametrize("name", UNDOABLE)
async def test_after_the_commit_nothing_is_undone(recordings: Recordings, name: str) -> None:
    recording = await recordings.of(name)

    for entry in await recordings.committed(name):
        for moment in entry.moments:
            refused = await recordings.bench.resume(recording.ran, entry, refused=moment)

            assert refused.error is not None
            assert (entry.name, refused.undos()) == (entry.name, [])
            assert replace(recording.stage.slate(), statuses=recording.after.statuses) == recording.after

        cancelled = await recordings.bench.resume(recording.ran, entry, is_cancelled=True)

        assert (entry.name, cancelled.error, cancelled.undos()) == (entry.name, None, [])
        assert recording.stage.slate() == recording.after


@pytest.mark.parametrize("name", FORWARD)
async def test_what_only_goes_forward_is_completed_by_a_repeat(recordings: Recordings, name: str) -> None:
    recording = await recordings.of(name)
    ways: list[dict[str, Any]] = [{"refused": moment} for moment in Moment] + [{"is_cancelled": True}]

    for entry, how in itertools.product(recording.ran.entries, ways):
        await recordings.bench.resume(recording.ran, entry, **how)

        again = await recordings.bench.run(recording.ran.handler, recording.stage.project_id, recording.ran.request)

        assert (entry.name, how, again.error) == (entry.name, how, None)
        assert recording.stage.slate() == recording.after


@pytest.mark.parametrize("name", OPERATIONS)
async def test_every_step_may_run_twice(recordings: Recordings, name: str) -> None:
    recording = await recordings.of(name)
    recordings.bench.restore(recording.begun)

    twice = await recordings.bench.run(
        recording.ran.handler, recording.stage.project_id, recording.ran.request, repeats_effects=True
    )

    assert twice.error is None
    if name in UNDOABLE:
        # The second time there is nothing left to restore, and that is what it answers.
        assert twice.answer == recording.ran.answer
    assert recording.stage.slate() == recording.after


@pytest.mark.parametrize(
    ("handler", "request_"),
    [
        (DEPLOY, pb.DeployRequest(deployment_id="d_1", key_auth_id="key_1")),
        (ASSIGN, _assignment(auth=gateway_pb2.AuthConfig(key_auth_id="key_1"))),
        (ASSIGN, _assignment(validation=gateway_pb2.ValidationConfig(openapi_spec="{}"))),
        (ASSIGN, _assignment(deployment=gateway_pb2.Deployment(id="d_1"))),
    ],
)
async def test_what_no_gateway_enforces_is_refused_before_anything_happens(
    recordings: Recordings, handler: str, request_: Message
) -> None:
    ran = await recordings.bench.run(handler, "p_1", request_)

    assert ran.error is not None
    assert ran.error.status_code == 412
    assert "no gateway enforces" in ran.error.message
    assert [entry for entry in ran.context.journal if entry != "AssignDomains"] == []


async def test_the_lists_of_steps_are_those_that_are_run(recordings: Recordings) -> None:
    run = {name: await recordings.of(name) for name in OPERATIONS}
    cold, warm = (steps_of(run[name].ran) for name in ("cold rollback", "warm rollback"))

    assert steps_of(run["deploy from an upload"].ran) == boxes.DEPLOY
    assert [step for step in cold if step not in warm] == boxes.COLD_START
    assert steps_of(run["retire"].ran) == boxes.RETIRE


@pytest.mark.parametrize(
    "handler", ["Deploy", "Rollback", "Promote", "Retire", "AssignDomains", "SwitchDomains", "RestoreDomains"]
)
async def test_the_steps_of_a_handler_are_those_that_the_architecture_lists(
    recordings: Recordings, handler: str
) -> None:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    table = re.search(rf"^\| {handler}( \(\w+\))? \| (?P<steps>.*?) \|", text, re.MULTILINE)
    runs = [await recordings.of(name) for name, one in OPERATIONS.items() if one.handler.endswith(f"/{handler}")]

    assert table
    listed = [step.strip(" ()") for step in table["steps"].split(",")]
    for recording in runs:
        steps = steps_of(recording.ran)
        assert [step for step in listed if step in steps] == steps
    assert {step for recording in runs for step in steps_of(recording.ran)} == set(listed)


def steps_of(ran: Ran) -> list[str]:
    """The steps of a run in order, each once, those of the routing that it calls behind the call."""
    failpoints = (entry.failpoint.partition("/")[2] for entry in ran.entries)
    return [step for step in dict.fromkeys(failpoints) if step]


def assert_undone(recording: Recording, ran: Ran, reason: str) -> None:
    """Everything is as before, and the failure is recorded where people look."""
    slate, bench = recording.stage.slate(), recording.stage.bench
    if ran.handler in (ASSIGN, SWITCH):
        # Gateways are told by whoever calls the routing, or look by themselves.
        slate = replace(slate, served=recording.before.served)
    assert (reason, slate) == (reason, recording.before)
    assert (reason, ran.failed_undos()) == (reason, [])
    open_steps = "select name from deployment_steps where operation_id = :id and ended_at_ms is null"
    assert (reason, bench.rows(open_steps, id=ran.id)) == (reason, [])
    if ran.handler == DEPLOY:
        (row,) = bench.rows("select * from deployments where id = :id", id=recording.stage.ids["third"])
        expected = ("cancelled", "cancelled through Restate") if reason == "cancelled" else ("failed", reason)
        assert (row["failed_step"], row["status"], row["failure"]) == (ran.step, *expected)
