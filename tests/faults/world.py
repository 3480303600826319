"""What the fault matrices share: projects to fail in, the choice of failpoints, and what must hold afterwards."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.ctrl.client import ControlClient
from services.krane.client import KraneClient
from tests.end_to_end.stack import Project, Stack, eventually
from tests.faults.failpoints import Action, Armoury

SERVICES = ("hydra.v1.DeploymentService", "hydra.v1.RoutingService")
# Failures at the same time, each in a project of its own. Every kill hits all of them, wherever they are.
LANES = 3


@dataclass(frozen=True, slots=True)
class Two:
    """A project with two ready deployments, the newer one live."""

    project: Project
    old: str
    new: str


class World:
    """The installation under faults."""

    def __init__(
        self, stack: Stack, control: ControlClient, armoury: Armoury, sources: Path, *, every: int, seed: int
    ) -> None:
        self.stack = stack
        self.armoury = armoury
        self._control = control
        self._sources = sources
        self._every = every
        self._seed = seed
        self._uploaded: dict[tuple[str, str], str] = {}
        self._versions: dict[str, str] = {}
        self._idle: list[Two] = []
        self._numbers = itertools.count(1)

    # -- making -----------------------------------------------------------------------------------------------------

    async def project(self) -> Project:
        """A new project, watched."""
        slug = f"app{next(self._numbers)}"
        created = await self._control.create_project(slug)
        self.armoury.watch(created.id)
        return Project(stack=self.stack, control=self._control, id=created.id, slug=slug, sources=self._sources)

    async def create(self, project: Project, version: str, behaviour: str = "ok") -> str:
        """Create a deployment, without waiting for it; each source is built once for all projects."""
        source = version, behaviour
        if source not in self._uploaded:
            self._uploaded[source] = await project.source(version, behaviour)
        created = await project.create(version, source=self._uploaded[source])
        self._versions[created.id] = version
        return created.id

    async def deploy(self, project: Project, version: str) -> str:
        """Deploy and wait until it is ready and its handler has ended."""
        deployment_id = await self.create(project, version)
        ended = await project.ended(deployment_id)
        assert ended.status == "ready", ended
        await self.settled(project)
        return deployment_id

    @asynccontextmanager
    async def two(self) -> AsyncGenerator[Two]:
        """A project with two ready deployments, "old" and "new", watched anew.

        Whoever takes it leaves it as it was; one with which something goes wrong is never used again.
        """
        two = self._idle.pop() if self._idle else await self._make_two()
        self.armoury.watch(two.project.id)
        yield two
        self._idle.append(two)

    async def _make_two(self) -> Two:
        project = await self.project()
        return Two(project, await self.deploy(project, "old"), await self.deploy(project, "new"))

    async def stop_in_krane(self, project: Project, deployment_id: str) -> None:
        """Stop a deployment's instances, as retiring it does."""
        async with KraneClient(self.stack.ready["krane_grpc"]) as krane:
            await krane.stop(await self._namespace(project), deployment_id)

    # -- failing ----------------------------------------------------------------------------------------------------

    def reached(self, project: Project, *prefixes: str) -> list[str]:
        """The failpoints with these beginnings that a project has reached since it was watched."""
        return [name for name in self.armoury.reached(project.id) if name.startswith(prefixes)]

    @asynccontextmanager
    async def killed_at(self, project: Project, name: str) -> AsyncGenerator[None]:
        """Kill the endpoint when the project reaches a failpoint, which it must; wait until nothing runs any more."""
        self.armoury.arm(project.id, name, Action.KILL)
        yield

        async def killed() -> bool:
            return not self.armoury.is_armed(project.id, name)

        await eventually(killed, f"{name} to be reached")
        await self.settled(project)

    @asynccontextmanager
    async def refused_at(self, project: Project, name: str) -> AsyncGenerator[None]:
        """Refuse whatever the project reaches a failpoint with; wait until nothing runs any more."""
        self.armoury.arm(project.id, name, Action.REFUSE)
        yield
        await self.settled(project)
        self.armoury.disarm(project.id, name)

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
            for name in names[self._seed % self._every :: self._every]:
                tasks.create_task(fail_at(name))

    async def settled(self, project: Project) -> None:
        """Wait until no handler of a project runs or queues any more."""
        async with self.stack.restate() as restate:

            async def idle() -> bool:
                unfinished = [i for service in SERVICES for i in await restate.unfinished_invocations(service)]
                return project.id not in {invocation.key for invocation in unfinished}

            await eventually(idle, f"the handlers of {project.slug} to end", timeout=60)

    # -- checking ---------------------------------------------------------------------------------------------------

    async def assert_serves(
        self, project: Project, *, live: str, newest: str, ready: Sequence[str], held: bool = False
    ) -> None:
        """Domains, gateway configs, live pointer, flag, instances and answers are these, and there are no others."""
        query = (
            "select d.hostname, d.sticky, d.deployment_id, g.deployment_id as config from domains d "
            "left join gateway_configs g on g.hostname = d.hostname where d.project_id = :id"
        )
        domains = await self.stack.sql(query, id=project.id)
        wanted = [("live", live), ("environment", live), ("branch", newest), *(("commit", d) for d in ready)]
        assert sorted((d["sticky"], d["deployment_id"]) for d in domains) == sorted(wanted)
        assert [d["config"] for d in domains] == [d["deployment_id"] for d in domains]
        configs = await self.stack.sql("select * from gateway_configs where project_id = :id", id=project.id)
        assert len(configs) == len(domains)
        row = (await self.stack.sql("select * from projects where id = :id", id=project.id))[0]
        assert (row["live_deployment_id"], bool(row["is_rolled_back"])) == (live, held)
        for deployment_id in ready:
            await self._assert_runs_once(deployment_id)
        for domain in domains:
            answer = await self.stack.get(domain["hostname"])
            assert answer.json()["version"] == self._versions[domain["deployment_id"]], domain

    async def assert_as_before(self, two: Two) -> None:
        """The newer deployment is live, and both run."""
        await self.assert_serves(two.project, live=two.new, newest=two.new, ready=[two.old, two.new])

    async def assert_gone(self, project: Project, deployment_id: str) -> None:
        """Nothing of a deployment is left, in krane neither."""
        await project.assert_gone(deployment_id)
        async with KraneClient(self.stack.ready["krane_grpc"]) as krane:
            assert await krane.get(await self._namespace(project), deployment_id) is None

    async def assert_steps_ended(self, deployment_id: str, operation: str) -> None:
        """Exactly one such operation is in the step log; each of its steps ended well, under its own position."""
        query = "select * from deployment_steps where deployment_id = :id and operation = :operation"
        steps = await self.stack.sql(query, id=deployment_id, operation=operation)
        assert len({step["operation_id"] for step in steps}) == 1
        assert len({step["position"] for step in steps}) == len(steps)
        assert all(step["ended_at_ms"] is not None and step["error"] is None for step in steps), steps

    async def routing_operations(self, project: Project) -> list[tuple[str, str]]:
        """What moved the project's domains and stands: kind and deployment, in order."""
        query = "select * from routing_operations where project_id = :id and not is_undone order by revision"
        return [(row["kind"], row["deployment_id"]) for row in await self.stack.sql(query, id=project.id)]

    async def _assert_runs_once(self, deployment_id: str) -> None:
        assert len(self.stack.instance_processes(deployment_id)) == 1
        records = await self.stack.sql("select * from instances where deployment_id = :id", id=deployment_id)
        assert [(record["status"], bool(record["healthy"])) for record in records] == [("running", True)]

    async def _namespace(self, project: Project) -> str:
        rows = await self.stack.sql("select workspace_id from projects where id = :id", id=project.id)
        return str(rows[0]["workspace_id"])
