"""Shared by the fault matrices: projects, the choice of failpoints, and the checks after a fault."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from services.ctrl.client import ControlClient
from services.ctrl.enums import status_of
from services.domain.errors import InterlockError
from services.domain.status import ENDED, DeploymentStatus
from services.krane.client import KraneClient
from tests.end_to_end.stack import Project, Stack, eventually
from tests.faults.endpoint import FOLDER_VARIABLE
from tests.faults.failpoints import Action, FailpointFolder

SERVICES = ("hydra.v1.DeploymentService", "hydra.v1.RoutingService")
# Number of projects that fail at the same time. Every kill hits all of them.
LANES = 3
_ASK_PAUSE_SECONDS = 0.05
# A step retries for a minute, and once more if the deadline of its poll passes meanwhile.
_ENDED_SECONDS = 150.0


@dataclass(frozen=True, slots=True)
class TwoDeployments:
    """A project with two ready deployments, the newer one live."""

    project: Project
    old: str
    new: str


@asynccontextmanager
async def installation(folder: Path, environment: Mapping[str, str]) -> AsyncGenerator["World"]:
    """Run a separate installation for a test whose faults would disturb other tests; it tries every failpoint."""
    failpoints = FailpointFolder(folder / "failpoints")
    failpoints.folder.mkdir(parents=True)
    stack = Stack(folder / "data", {**environment, FOLDER_VARIABLE: str(failpoints.folder)})
    await asyncio.to_thread(stack.start)
    try:
        async with stack.control() as control:
            yield World(stack, control, failpoints, folder / "sources", every=1, seed=0)
    finally:
        code = await asyncio.to_thread(stack.stop)
    assert code == 0


class World:
    """The installation under faults."""

    def __init__(
        self, stack: Stack, control: ControlClient, failpoints: FailpointFolder, sources: Path, *, every: int, seed: int
    ) -> None:
        self.stack = stack
        self.failpoints = failpoints
        self._control = control
        self._sources = sources
        self._every = every
        self._seed = seed
        self._uploaded: dict[tuple[str, str], str] = {}
        self._versions: dict[str, str] = {}
        self._idle: list[TwoDeployments] = []
        # Deployments that were retired, by project.
        self._retired: dict[str, list[str]] = {}
        self._numbers = itertools.count(1)

    # -- making -----------------------------------------------------------------------------------------------------

    async def project(self) -> Project:
        """Create a project, and record the failpoints that it reaches."""
        slug = f"app{next(self._numbers)}"
        created = await self._control.create_project(slug)
        self.failpoints.watch(created.id)
        return Project(stack=self.stack, control=self._control, id=created.id, slug=slug, sources=self._sources)

    async def create(
        self,
        project: Project,
        version: str,
        behaviour: str = "ok",
        *,
        files: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> str:
        """Create a deployment without waiting for it; each source is built once for all projects."""
        source = version, behaviour
        if source not in self._uploaded:
            self._uploaded[source] = await project.source(version, behaviour, files=files)
        created = await project.create(version, source=self._uploaded[source], **fields)
        self._versions[created.id] = version
        return created.id

    def version(self, deployment_id: str) -> str:
        """Return the version that a deployment answers with."""
        return self._versions[deployment_id]

    async def deploy(self, project: Project, version: str, **fields: Any) -> str:
        """Deploy and wait until it is ready and its handler has ended."""
        deployment_id = await self.create(project, version, **fields)
        ended = await project.ended(deployment_id)
        assert status_of(ended) == "ready", ended
        await self.settled(project)
        return deployment_id

    @asynccontextmanager
    async def two(self) -> AsyncGenerator[TwoDeployments]:
        """Provide a project with two ready deployments, "old" and "new", and a new record of failpoints.

        The block must leave it unchanged. After an error the project is not used again.
        """
        two = await self.take_two()
        yield two
        self.give_back(two)

    async def take_two(self) -> TwoDeployments:
        """As `two`, but the caller must call `give_back`."""
        two = self._idle.pop() if self._idle else await self._make_two()
        self.failpoints.watch(two.project.id)
        return two

    def give_back(self, two: TwoDeployments) -> None:
        """Make an unchanged project available again."""
        self._idle.append(two)

    async def _make_two(self) -> TwoDeployments:
        project = await self.project()
        return TwoDeployments(project, await self.deploy(project, "old"), await self.deploy(project, "new"))

    async def stop_in_krane(self, project: Project, deployment_id: str) -> None:
        """Stop a deployment's instances, as its retirement does."""
        async with KraneClient(self.stack.ready["krane_grpc"]) as krane:
            await krane.stop(await self._namespace(project), deployment_id)

    # -- failing ----------------------------------------------------------------------------------------------------

    def reached(self, project: Project, *prefixes: str) -> list[str]:
        """List the recorded failpoints of a project with these prefixes."""
        return [name for name in self.failpoints.reached(project.id) if name.startswith(prefixes)]

    @asynccontextmanager
    async def killed_at(self, project: Project, name: str) -> AsyncGenerator[None]:
        """Kill the endpoint when the project reaches a failpoint (it must), and wait until no handler runs."""
        self.failpoints.arm(project.id, name, Action.KILL)
        yield

        async def killed() -> bool:
            return not self.failpoints.is_armed(project.id, name)

        await eventually(killed, f"{name} to be reached")
        await self.settled(project)

    @asynccontextmanager
    async def refused_at(self, project: Project, name: str) -> AsyncGenerator[None]:
        """Refuse the step when the project reaches a failpoint, and wait until no handler runs."""
        self.failpoints.arm(project.id, name, Action.REFUSE)
        yield
        await self.settled(project)
        self.failpoints.disarm(project.id, name)

    async def each(self, names: Sequence[str], fail: Callable[[str], Awaitable[None]]) -> None:
        """Fail at an even share of the failpoints, at a few of them at a time."""
        free = asyncio.Semaphore(LANES)

        async def fail_at(name: str) -> None:
            async with free:
                try:
                    await fail(name)
                except Exception as error:
                    error.add_note(f"failpoint {name}")
                    raise

        async with asyncio.TaskGroup() as tasks:
            for name in self.share(names):
                tasks.create_task(fail_at(name))

    def share(self, names: Sequence[str], turn: int = 0, turns: int = 1) -> Sequence[str]:
        """An even share of the failpoints; that of each of the turns are other ones, and they are fewer."""
        step = self._every * turns if self._every > 1 else 1
        return names[(self._seed + turn) % step :: step]

    def hold(self, project: Project, name: str) -> None:
        """Let the project come to a failpoint and no further."""
        self.failpoints.arm(project.id, name, Action.HOLD)

    async def held(self, project: Project, name: str) -> None:
        """Wait until the project stands at a failpoint, which it must reach."""

        async def reached() -> bool:
            return name in self.failpoints.reached(project.id)

        await eventually(reached, f"{project.slug} to be held at {name}")

    async def passed(self, project: Project, name: str) -> None:
        """Wait until whoever was held at a failpoint has gone on."""

        async def gone_on() -> bool:
            return self.failpoints.has_passed(project.id, name)

        await eventually(gone_on, f"{project.slug} to go on from {name}")

    @asynccontextmanager
    async def killed(self, part: str) -> AsyncGenerator[None]:
        """Kill a part and run the block while it is down; then wait until it is back."""
        old = self.stack.kill(part)
        yield
        await self.stack.restarted(part, old)

    async def settled(self, project: Project) -> None:
        """Wait until no handler of a project runs or is queued."""
        async with self.stack.restate() as restate:

            async def idle() -> bool:
                # A Restate that has just restarted cannot answer all queries yet.
                with suppress(InterlockError):
                    unfinished = await restate.unfinished_invocations(*SERVICES)
                    return project.id not in {invocation.key for invocation in unfinished}
                return False

            await eventually(idle, f"the handlers of {project.slug} to end", timeout=60)

    async def ended(self, deployment_id: str) -> DeploymentStatus:
        """Wait until a deployment has ended. Reads only the database, so other parts may be down."""

        async def look() -> DeploymentStatus | None:
            rows = await self.stack.sql("select status from deployments where id = :id", id=deployment_id)
            status = DeploymentStatus(rows[0]["status"])
            return status if status in ENDED else None

        return await eventually(look, f"deployment {deployment_id} to end", timeout=_ENDED_SECONDS)

    @asynccontextmanager
    async def answering(self) -> AsyncGenerator[None]:
        """Send requests to every live hostname during the block, and assert that all succeed."""
        rows = await self.stack.sql("select hostname from domains where sticky = 'live'")
        assert rows
        failed: list[str] = []

        async def ask() -> None:
            for hostname in itertools.cycle(row["hostname"] for row in rows):
                answer = await self.stack.get(hostname)
                if answer.status_code != HTTPStatus.OK:
                    failed.append(f"{hostname}: {answer.status_code}")
                await asyncio.sleep(_ASK_PAUSE_SECONDS)

        asking = asyncio.create_task(ask())
        try:
            yield
            assert not asking.done(), asking
        finally:
            asking.cancel()
        assert failed == []

    # -- checking ---------------------------------------------------------------------------------------------------

    async def assert_serves(
        self, project: Project, *, live: str, newest: str, ready: Sequence[str], held: bool = False
    ) -> None:
        """Assert exactly these domains, gateway configs, live pointer, flag, instances and answers."""
        query = (
            "select d.hostname, d.sticky, d.deployment_id, g.deployment_id as config from domains d "
            "left join gateway_configs g on g.hostname = d.hostname where d.project_id = :id"
        )
        domains = await self.stack.sql(query, id=project.id)
        commits = [*ready, *self._retired.get(project.id, ())]
        wanted = [("live", live), ("environment", live), ("branch", newest), *(("commit", d) for d in commits)]
        assert sorted((d["sticky"], d["deployment_id"]) for d in domains) == sorted(wanted), (domains, wanted)
        assert [d["config"] for d in domains] == [d["deployment_id"] for d in domains]
        query = (
            "select g.hostname from gateway_configs g join deployments d on d.id = g.deployment_id "
            "where d.project_id = :id"
        )
        configs = await self.stack.sql(query, id=project.id)
        assert len(configs) == len(domains)
        row = (await self.stack.sql("select * from projects where id = :id", id=project.id))[0]
        assert (row["live_deployment_id"], bool(row["is_rolled_back"])) == (live, held)
        for deployment_id in ready:
            await self._assert_runs_once(deployment_id)
        for domain in [domain for domain in domains if domain["deployment_id"] in ready]:
            answer = await self.stack.get(domain["hostname"])
            assert answer.json()["version"] == self.version(domain["deployment_id"]), domain

    async def assert_as_before(self, two: TwoDeployments) -> None:
        """Assert that the newer deployment is live, and both run."""
        await self.assert_serves(two.project, live=two.new, newest=two.new, ready=[two.old, two.new])

    async def assert_retired(self, project: Project, deployment_id: str) -> None:
        """Assert that a deployment is stopped and keeps only its commit hostname."""

        async def is_stopped() -> bool:
            # A Restate that has just restarted may not have begun the retirement yet.
            return await self.ended(deployment_id) is DeploymentStatus.STOPPED

        await eventually(is_stopped, f"deployment {deployment_id} to be retired")
        # The row changes first, then the instances are stopped.
        await self.settled(project)
        assert self.stack.instance_processes(deployment_id) == []
        self._retired.setdefault(project.id, []).append(deployment_id)

    async def assert_gone(self, project: Project, deployment_id: str) -> None:
        """Assert that nothing of a deployment is left, also in krane."""
        await project.assert_gone(deployment_id)
        async with KraneClient(self.stack.ready["krane_grpc"]) as krane:
            assert await krane.get(await self._namespace(project), deployment_id) is None

    async def assert_steps_ended(self, deployment_id: str, operation: str) -> None:
        """Assert that the step log has exactly one such operation, and all its steps succeeded."""
        query = "select * from deployment_steps where deployment_id = :id and operation = :operation"
        steps = await self.stack.sql(query, id=deployment_id, operation=operation)
        assert len({step["operation_id"] for step in steps}) == 1
        assert len({step["position"] for step in steps}) == len(steps)
        assert all(step["ended_at_ms"] is not None and step["error"] is None for step in steps), steps

    async def routing_operations(self, project: Project) -> list[tuple[str, str]]:
        """List kind and deployment of the project's routing operations that were not undone, in order."""
        query = "select * from routing_operations where project_id = :id and not is_undone order by revision"
        return [(row["kind"], row["deployment_id"]) for row in await self.stack.sql(query, id=project.id)]

    async def _assert_runs_once(self, deployment_id: str) -> None:
        assert len(self.stack.instance_processes(deployment_id)) == 1
        records = await self.stack.sql("select * from instances where deployment_id = :id", id=deployment_id)
        assert [(record["status"], bool(record["healthy"])) for record in records] == [("running", True)]

    async def _namespace(self, project: Project) -> str:
        rows = await self.stack.sql("select workspace_id from projects where id = :id", id=project.id)
        return str(rows[0]["workspace_id"])
