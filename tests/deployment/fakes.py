"""krane and a gateway for tests of workflows: each stands in for the client of a process, with the same methods.

They keep what the workflows rely on and nothing else: ids that are known or not, and calls that may be repeated.
`test_fakes.py` compares them with the clients.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from services.db.engine import Database
from services.db.routes import read_route_table
from services.domain.errors import Conflict, NotFound
from services.domain.git import GitSource
from services.domain.readiness import InstanceStatus
from services.gateway.client import SyncResult
from services.krane.client import DEADLINE_SECONDS
from services.krane.types import (
    BuildPriority,
    BuildState,
    BuildStatus,
    DeploymentSpec,
    DeploymentState,
    HostCredential,
    InstanceReport,
    LogLine,
    TaskName,
    TaskSpec,
    TaskState,
    TaskStatus,
    WorkloadStatus,
)

DIGEST = "0" * 64
BUILT = f"artifact@sha256:{DIGEST}"
FETCHED = f"source@sha256:{DIGEST}"


@dataclass(slots=True)
class Known:
    """A deployment that the fake runs, or has stopped."""

    spec: DeploymentSpec
    is_stopped: bool = False


@dataclass(slots=True)
class KraneState:
    """What krane knows, by id."""

    deployments: dict[str, Known] = field(default_factory=dict[str, Known])
    builds: dict[str, BuildState] = field(default_factory=dict[str, BuildState])
    tasks: dict[str, TaskState] = field(default_factory=dict[str, TaskState])
    pulled: set[str] = field(default_factory=set[str])


class FakeKrane:
    """Every instance is healthy at once, at one address; a build and a pull have ended at the second look."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.state = KraneState()

    async def resolve_image(self, namespace: str, image: str, credential: HostCredential | None = None) -> str:
        return f"{image.partition(':')[0]}@sha256:{DIGEST}"

    async def pull_image(self, namespace: str, image: str, credential: HostCredential | None = None) -> bool:
        is_here = image in self.state.pulled
        self.state.pulled.add(image)
        return is_here

    async def create(
        self,
        spec: DeploymentSpec,
        environment: Mapping[str, str] | None = None,
        credential: HostCredential | None = None,
    ) -> WorkloadStatus:
        known = self.state.deployments.setdefault(spec.deployment_id, Known(spec))
        if known.spec != spec:
            raise Conflict(f"deployment {spec.deployment_id} exists and runs something else")
        return self._state(known).status

    async def get(
        self,
        namespace: str,
        deployment_id: str,
        *,
        probe_now: bool = False,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> DeploymentState | None:
        known = self.state.deployments.get(deployment_id)
        return known and self._state(known)

    async def stop(self, namespace: str, deployment_id: str) -> None:
        self._find(deployment_id).is_stopped = True

    async def start(self, namespace: str, deployment_id: str, credential: HostCredential | None = None) -> None:
        self._find(deployment_id).is_stopped = False

    async def delete(self, namespace: str, deployment_id: str) -> None:
        self.state.deployments.pop(deployment_id, None)

    async def logs(
        self, namespace: str, deployment_id: str, *, instance_id: str = "", tail_lines: int = 0
    ) -> tuple[LogLine, ...]:
        return (LogLine(instance_id=f"{deployment_id}-0", text="a line of the app"),)

    async def start_build(
        self,
        namespace: str,
        build_id: str,
        origin: str | GitSource,
        priority: BuildPriority = BuildPriority.NORMAL,
        credentials: Iterable[HostCredential] = (),
    ) -> None:
        is_fetched = isinstance(origin, GitSource)
        begun = BuildState(
            status=BuildStatus.RUNNING,
            source=FETCHED if is_fetched else origin,
            commit="abcdef0" if is_fetched else "",
            branch="main" if is_fetched else "",
        )
        self.state.builds.setdefault(build_id, begun)

    async def get_build(self, namespace: str, build_id: str, *, tail_lines: int = 0) -> BuildState | None:
        state = self.state.builds.get(build_id)
        if state is not None and state.status is BuildStatus.RUNNING:
            self.state.builds[build_id] = replace(state, status=BuildStatus.SUCCEEDED, image=BUILT)
        return state

    async def cancel_build(self, namespace: str, build_id: str) -> None:
        state = self.state.builds.get(build_id)
        if state is not None and state.status is BuildStatus.RUNNING:
            self.state.builds[build_id] = replace(state, status=BuildStatus.CANCELLED)

    async def start_task(self, spec: TaskSpec, environment: Mapping[str, str] | None = None) -> None:
        self.state.tasks.setdefault(spec.task_id, TaskState(status=TaskStatus.SUCCEEDED, exit_code=0))

    async def get_task(self, namespace: str, task_id: str, *, tail_lines: int = 0) -> TaskState | None:
        return self.state.tasks.get(task_id)

    async def list_tasks(self) -> tuple[TaskName, ...]:
        return tuple(TaskName(namespace="", task_id=task_id) for task_id in self.state.tasks)

    async def delete_task(self, namespace: str, task_id: str) -> None:
        self.state.tasks.pop(task_id, None)

    def _find(self, deployment_id: str) -> Known:
        if deployment_id not in self.state.deployments:
            raise NotFound(f"there is no deployment {deployment_id}")
        return self.state.deployments[deployment_id]

    def _state(self, known: Known) -> DeploymentState:
        spec, status = known.spec, InstanceStatus.STOPPED if known.is_stopped else InstanceStatus.RUNNING
        return DeploymentState(
            namespace=spec.namespace,
            deployment_id=spec.deployment_id,
            image=spec.image,
            replicas=spec.run.replicas,
            status=WorkloadStatus.STOPPED if known.is_stopped else WorkloadStatus.RUNNING,
            instances=tuple(
                InstanceReport(
                    id=f"{spec.deployment_id}-{n}",
                    address=self._address,
                    status=status,
                    healthy=not known.is_stopped,
                )
                for n in range(spec.run.replicas)
            ),
        )


@dataclass(slots=True)
class GatewaysState:
    """What gateways serve."""

    acknowledged: int = 0
    # Deployment ids by hostname.
    served: dict[str, str] = field(default_factory=dict[str, str])


class FakeGateways:
    """Every gateway: it follows the database when it is asked to, and says so at the next look."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.state = GatewaysState()

    async def sync(self, address: str, revision: int, wait: timedelta) -> SyncResult:
        said = self.state.acknowledged
        async with self._database.read() as session:
            table = await read_route_table(session)
        self.state = GatewaysState(table.revision, {route.hostname: route.deployment_id for route in table.routes})
        return SyncResult(gateway_id="gw-1", acknowledged_revision=said, rejection="")
