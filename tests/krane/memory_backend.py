"""A backend for tests whose engine keeps instances alive, and whose records are in memory: they end with krane.

Written from `docs/backends.md`. It runs images that it is given and builds none.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from services.domain.errors import Conflict, NotFound, PreconditionFailed, Unavailable
from services.domain.ids import check_id
from services.domain.readiness import InstanceStatus, Probe
from services.domain.variables import check_variables
from services.krane.backend import Backend
from services.krane.backends.hosted.probe import Prober
from services.krane.backends.shared.locks import Locks
from services.krane.backends.shared.log_lines import Line, Place
from services.krane.backends.shared.operations import BackgroundOperations
from services.krane.backends.supervision.ending import Ending
from services.krane.backends.supervision.run_cookie import kill_run
from services.krane.checks import check_instance_id, check_reference, check_spec, check_task
from services.krane.types import (
    DeploymentSpec,
    DeploymentState,
    FollowedLine,
    HostCredential,
    InstanceReport,
    LogLine,
    LogQuery,
    TaskName,
    TaskSpec,
    TaskState,
    TaskStatus,
    WorkloadStatus,
    is_task_log,
)
from tests.krane.support import processes_with
from tests.restate_server import free_port

T = TypeVar("T")

POLL_SECONDS = 0.02
PROBE_SECONDS = 0.05
PROBE_TIMEOUT_MS = 2000
RESTART_SECONDS = 0.1
GRACE_SECONDS = 1.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryImage:
    """A program that the engine has."""

    command: tuple[str, ...]
    folder: Path
    health_path: str = ""


@contextlib.contextmanager
def _copy_of(image: MemoryImage) -> Generator[Path]:
    """The folder of one command: what it writes changes no image."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copytree(image.folder, folder, dirs_exist_ok=True))


class MemoryLog:
    """What one instance or task wrote."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def write(self, text: str) -> None:
        after = self.lines[-1].stamp + 1 if self.lines else 0
        self.lines.append(Line(max(time.time_ns(), after), text))


Logs = dict[str, MemoryLog]


class MemoryCommand:
    """One run of a program and of everything that it starts."""

    def __init__(self, *, memory_mib: int, log: MemoryLog) -> None:
        self._run_id = uuid.uuid4().hex
        self._memory_bytes = memory_mib << 20
        self._memory_mib = memory_mib
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._cause = ""
        self._is_stopped = False

    async def run(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Ending:
        """Run it to its end. Nothing of it is left then, also when this is cancelled."""
        try:
            return await self._run(arguments, folder, environment)
        finally:
            await asyncio.shield(kill_run(self._run_id))

    async def _run(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Ending:
        try:
            self._process = await asyncio.create_subprocess_exec(
                *arguments,
                cwd=folder,
                env={**environment, "INTERLOCK_RUN_ID": self._run_id},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            self._log.write(f"{arguments[0]} cannot be run: {error.strerror}")
            return Ending(exit_code=127, was_stopped=False)
        if self._is_stopped:
            self._process.kill()
        limiting = asyncio.create_task(self._limit())
        reading = asyncio.create_task(self._read(self._process))
        try:
            exit_code = await self._process.wait()
            # Descendants hold the pipe.
            await kill_run(self._run_id)
            await reading
        finally:
            limiting.cancel()
            reading.cancel()
        return Ending(exit_code=exit_code, was_stopped=self._is_stopped, cause=self._cause)

    async def end(self, grace_seconds: float) -> None:
        """Ask it to end, and kill it when the grace period is over."""
        self._is_stopped = True
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await self._process.wait()
        await kill_run(self._run_id)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self._log.write(line.decode(errors="replace").rstrip("\n"))

    async def _limit(self) -> None:
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            if _resident_bytes(self._run_id) > self._memory_bytes:
                self._cause = f"out of memory: it may use {self._memory_mib} MiB"
                return await kill_run(self._run_id)


def _resident_bytes(run_id: str) -> int:
    return sum(_resident(pid) for pid in processes_with(f"INTERLOCK_RUN_ID={run_id}"))


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0


class MemoryInstance:
    """One copy of a deployment, which its engine keeps running while it is wanted."""

    def __init__(
        self, instance_id: str, spec: DeploymentSpec, image: MemoryImage, given: Mapping[str, str], log: MemoryLog
    ) -> None:
        self._spec = spec
        self._image = image
        self._log = log
        port = free_port()
        self._environment = _environment(spec.deployment_id, instance_id, given) | {"PORT": str(port)}
        self._address = f"127.0.0.1:{port}"
        self._command: MemoryCommand | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._was_healthy = False
        self.report = InstanceReport(
            id=instance_id, address="", status=InstanceStatus.STOPPED, healthy=False, reason="it is stopped"
        )

    def start(self, prober: Prober) -> None:
        if self._keeper is None or self._keeper.done():
            self._was_healthy = False
            self.report = replace(self.report, status=InstanceStatus.PENDING, exit_code=None, restarts=0)
            self._keeper = asyncio.create_task(self._keep(prober))

    async def stop(self) -> None:
        self._become(InstanceStatus.TERMINATING, "it is being stopped")
        if self._command is not None:
            await self._command.end(self._spec.run.stop_seconds or GRACE_SECONDS)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        self._become(InstanceStatus.STOPPED, "it is stopped")

    async def ask(self, prober: Prober) -> Probe:
        path = self._spec.run.health_path or self._image.health_path
        return await prober.probe(self._address, path, PROBE_TIMEOUT_MS)

    async def _keep(self, prober: Prober) -> None:
        port = self._environment["PORT"]
        wanted = self._spec.run.command or self._image.command
        arguments = [argument.replace("$PORT", port).replace("${PORT}", port) for argument in wanted]
        with _copy_of(self._image) as folder:
            while True:
                self._command = MemoryCommand(memory_mib=self._spec.run.memory_mib, log=self._log)
                self._become(InstanceStatus.RUNNING, "it was not probed yet")
                probing = asyncio.create_task(self._probe(prober))
                try:
                    ending = await self._command.run(arguments, folder, self._environment)
                finally:
                    probing.cancel()
                self.report = replace(self.report, exit_code=ending.exit_code)
                if ending.was_stopped:
                    return
                if not self._was_healthy:
                    self._become(InstanceStatus.FAILED, f"{ending.reason} before it was ever healthy")
                    return
                self._become(InstanceStatus.PENDING, f"{ending.reason}; it is started again")
                self.report = replace(self.report, restarts=self.report.restarts + 1)
                await asyncio.sleep(RESTART_SECONDS)

    async def _probe(self, prober: Prober) -> None:
        while True:
            found = await self.ask(prober)
            self._was_healthy |= not found.problem
            self.report = replace(self.report, healthy=not found.problem, reason=found.problem, last_probe=found)
            await asyncio.sleep(PROBE_SECONDS)

    def _become(self, status: InstanceStatus, reason: str) -> None:
        address = self._address if status is InstanceStatus.RUNNING else ""
        self.report = replace(self.report, status=status, reason=reason, healthy=False, address=address)


@dataclass(kw_only=True)
class MemoryDeployment:
    """What was asked for, and the instances that follow."""

    spec: DeploymentSpec
    instances: list[MemoryInstance]
    is_wanted: bool = True

    @property
    def state(self) -> DeploymentState:
        return DeploymentState(
            namespace=self.spec.namespace,
            deployment_id=self.spec.deployment_id,
            image=self.spec.image,
            replicas=self.spec.run.replicas,
            status=self._status,
            instances=tuple(instance.report for instance in self.instances),
        )

    @property
    def _status(self) -> WorkloadStatus:
        statuses = {instance.report.status for instance in self.instances}
        if not self.is_wanted:
            return WorkloadStatus.STOPPED if statuses == {InstanceStatus.STOPPED} else WorkloadStatus.TERMINATING
        return WorkloadStatus.RUNNING if statuses == {InstanceStatus.RUNNING} else WorkloadStatus.PENDING

    async def stop(self) -> None:
        self.is_wanted = False
        await asyncio.gather(*(instance.stop() for instance in self.instances))


class MemoryImages:
    """The images that the engine was given."""

    def __init__(self, images: Mapping[str, MemoryImage]) -> None:
        self._images = images

    def find(self, image: str) -> MemoryImage:
        check_reference("memory", image)
        if image not in self._images:
            raise PreconditionFailed(f"{image} is not here: build it again")
        return self._images[image]

    async def resolve(self, namespace: str, image: str, credential: HostCredential | None) -> str:
        check_id("namespace", namespace)
        self.find(image)
        return image

    async def pull(self, namespace: str, image: str, credential: HostCredential | None) -> bool:
        return await self.resolve(namespace, image, credential) == image

    async def prune(self, keep: Iterable[str], unneeded_seconds: float) -> list[str]:
        for image in keep:
            check_reference("memory", image)
        return []


class MemoryDeployments:
    """Deployments that last as long as krane."""

    def __init__(self, images: MemoryImages, logs: "MemoryLogs") -> None:
        self._images = images
        self._logs = logs
        self._prober = Prober()
        self._locks = Locks()
        self._operations = BackgroundOperations()
        self._deployments: dict[str, MemoryDeployment] = {}

    async def create(
        self, spec: DeploymentSpec, environment: Mapping[str, str], credential: HostCredential | None = None
    ) -> WorkloadStatus:
        check_spec(spec)
        check_variables(environment)
        return await self._do(spec.deployment_id, self._create(spec, environment))

    async def get(self, namespace: str, deployment_id: str, *, probe_now: bool = False) -> DeploymentState:
        deployment = self._find(namespace, deployment_id)
        if not probe_now:
            return deployment.state
        reports: list[InstanceReport] = []
        for instance in deployment.instances:
            found = await instance.ask(self._prober)
            reports.append(replace(instance.report, healthy=not found.problem, reason=found.problem, last_probe=found))
        return replace(deployment.state, instances=tuple(reports))

    async def list(self, namespace: str) -> list[DeploymentState]:
        states = [deployment.state for _, deployment in sorted(self._deployments.items())]
        return [state for state in states if namespace in ("", state.namespace)]

    async def stop(self, namespace: str, deployment_id: str) -> None:
        self._find(namespace, deployment_id)
        await self._do(deployment_id, self._stop(namespace, deployment_id))

    async def start(self, namespace: str, deployment_id: str, credential: HostCredential | None = None) -> None:
        self._find(namespace, deployment_id)
        await self._do(deployment_id, self._start(namespace, deployment_id))

    async def delete(self, namespace: str, deployment_id: str) -> None:
        check_id("namespace", namespace)
        check_id("deployment_id", deployment_id)
        await self._do(deployment_id, self._delete(namespace, deployment_id))

    async def close(self) -> None:
        await self._operations.close()
        await asyncio.gather(*(deployment.stop() for deployment in self._deployments.values()))
        await self._prober.close()

    def known(self, namespace: str, deployment_id: str) -> DeploymentState | None:
        deployment = self._deployments.get(deployment_id)
        return deployment.state if deployment and deployment.spec.namespace == namespace else None

    async def _do(self, deployment_id: str, change: Coroutine[object, object, T]) -> T:
        return await self._operations.finish(self._in_turn(deployment_id, change))

    async def _in_turn(self, deployment_id: str, change: Coroutine[object, object, T]) -> T:
        async with self._locks.of(deployment_id):
            return await change

    async def _create(self, spec: DeploymentSpec, environment: Mapping[str, str]) -> WorkloadStatus:
        known = self._deployments.get(spec.deployment_id)
        if known is None:
            image = self._images.find(spec.image)
            ids = [f"{spec.deployment_id}-{index}" for index in range(spec.run.replicas)]
            logs = self._logs.of(spec.namespace, spec.deployment_id)
            instances = [
                MemoryInstance(one, spec, image, environment, logs.setdefault(one, MemoryLog())) for one in ids
            ]
            known = self._deployments[spec.deployment_id] = MemoryDeployment(spec=spec, instances=instances)
            self._run(known)
        elif known.spec != spec:
            raise Conflict(f"deployment {spec.deployment_id} exists and runs something else: use another id")
        return known.state.status

    async def _stop(self, namespace: str, deployment_id: str) -> None:
        await self._find(namespace, deployment_id).stop()

    async def _start(self, namespace: str, deployment_id: str) -> None:
        self._run(self._find(namespace, deployment_id))

    async def _delete(self, namespace: str, deployment_id: str) -> None:
        if self.known(namespace, deployment_id):
            await self._deployments[deployment_id].stop()
            del self._deployments[deployment_id]

    def _run(self, deployment: MemoryDeployment) -> None:
        deployment.is_wanted = True
        for instance in deployment.instances:
            instance.start(self._prober)

    def _find(self, namespace: str, deployment_id: str) -> MemoryDeployment:
        check_id("namespace", namespace)
        check_id("deployment_id", deployment_id)
        if self.known(namespace, deployment_id) is None:
            raise NotFound(f"there is no deployment {deployment_id} in {namespace}: create it first")
        return self._deployments[deployment_id]


class MemoryTask:
    """One run of a command."""

    def __init__(self, spec: TaskSpec, image: MemoryImage, given: Mapping[str, str], log: MemoryLog) -> None:
        self.spec = spec
        self.state = TaskState(status=TaskStatus.RUNNING)
        self.log = log
        self._command = MemoryCommand(memory_mib=spec.run.memory_mib, log=log)
        environment = _environment(spec.task_id, spec.log_name, given)
        self._keeper = asyncio.create_task(self._keep(image, environment))

    async def cancel(self) -> None:
        if not self._keeper.done():
            await self._command.end(GRACE_SECONDS)
            await asyncio.wait([self._keeper])

    async def _keep(self, image: MemoryImage, environment: Mapping[str, str]) -> None:
        with _copy_of(image) as folder:
            running = asyncio.create_task(self._command.run(self.spec.run.release_command, folder, environment))
            ended, _ = await asyncio.wait([running], timeout=self.spec.timeout_seconds)
            if not ended:
                await self._command.end(GRACE_SECONDS)
            ending = await running
        if not ended:
            status, reason = TaskStatus.FAILED, f"it took longer than {self.spec.timeout_seconds:g} s and was stopped"
        elif ending.was_stopped:
            status, reason = TaskStatus.CANCELLED, "it was stopped"
        elif ending.exit_code == 0:
            status, reason = TaskStatus.SUCCEEDED, ""
        else:
            status, reason = TaskStatus.FAILED, ending.reason
        self.state = TaskState(status=status, exit_code=ending.exit_code, reason=reason)


class MemoryTasks:
    """Tasks that last as long as krane."""

    def __init__(self, images: MemoryImages, logs: "MemoryLogs") -> None:
        self._images = images
        self._logs = logs
        self._operations = BackgroundOperations()
        self._tasks: dict[str, MemoryTask] = {}

    async def start(self, spec: TaskSpec, environment: Mapping[str, str]) -> None:
        check_task(spec)
        check_variables(environment)
        known = self._tasks.get(spec.task_id)
        if known is None:
            image = self._images.find(spec.image)
            log = self._logs.of(spec.namespace, spec.task_id).setdefault(spec.log_name, MemoryLog())
            self._tasks[spec.task_id] = MemoryTask(spec, image, environment, log)
        elif known.spec != spec:
            raise Conflict(f"task {spec.task_id} exists and runs something else: use another id")

    async def get(self, namespace: str, task_id: str, tail_lines: int) -> TaskState:
        task = self._find(namespace, task_id)
        if task is None:
            raise NotFound(f"there is no task {task_id} in {namespace}: start it first")
        return replace(task.state, log_lines=tuple(line.text for line in task.log.lines[-tail_lines:]))

    async def names(self) -> list[TaskName]:
        specs = [task.spec for _, task in sorted(self._tasks.items())]
        return [TaskName(namespace=spec.namespace, task_id=spec.task_id) for spec in specs]

    async def cancel(self, namespace: str, task_id: str) -> None:
        task = self._find(namespace, task_id)
        if task is not None:
            await self._operations.finish(task.cancel())

    async def delete(self, namespace: str, task_id: str) -> None:
        await self.cancel(namespace, task_id)
        if self._find(namespace, task_id):
            del self._tasks[task_id]

    async def close(self) -> None:
        await self._operations.close()
        await asyncio.gather(*(task.cancel() for task in self._tasks.values()))

    def is_running(self, namespace: str, task_id: str) -> bool:
        task = self._find(namespace, task_id)
        return task is not None and task.state.status is TaskStatus.RUNNING

    def _find(self, namespace: str, task_id: str) -> MemoryTask | None:
        check_id("namespace", namespace)
        task = self._tasks.get(check_id("task_id", task_id))
        return task if task is not None and task.spec.namespace == namespace else None


class MemoryLogs:
    """Logs of instances and tasks, kept when those are deleted."""

    def __init__(self) -> None:
        self._logs: defaultdict[tuple[str, str], Logs] = defaultdict(dict)
        self._closing = asyncio.Event()
        self.deployments: MemoryDeployments
        self.tasks: MemoryTasks

    def of(self, namespace: str, deployment_id: str) -> Logs:
        return self._logs[namespace, deployment_id]

    async def tail(self, namespace: str, deployment_id: str, instance_id: str, lines: int) -> list[LogLine]:
        check_id("namespace", namespace)
        check_id("deployment_id", deployment_id)
        logs = self.of(namespace, deployment_id)
        asked = [check_instance_id(deployment_id, instance_id, logs)] if instance_id else []
        if not logs:
            raise NotFound(f"there is no deployment {deployment_id} in {namespace}: create it first")
        names = [name for name in asked or self._names(namespace, deployment_id) if name in logs]
        return [LogLine(instance_id=name, text=line.text) for name in names for line in logs[name].lines[-lines:]]

    async def follow(self, query: LogQuery, send: Callable[[FollowedLine], Awaitable[None]]) -> None:
        check_id("namespace", query.namespace)
        check_id("deployment_id", query.deployment_id)
        places: dict[str, Place] = {}
        is_last = False
        while not is_last:
            # Asked first: what is over when it was asked is whole when it is read.
            is_last = not query.follow or not self._may_grow(query.namespace, query.deployment_id)
            for name in self._names(query.namespace, query.deployment_id):
                place = places.setdefault(name, Place(name, query))
                for line in place.catch_up(self.of(query.namespace, query.deployment_id)[name].lines):
                    await send(line)
            if self._closing.is_set():
                raise Unavailable("krane is being stopped: follow again")
            await asyncio.sleep(POLL_SECONDS)

    def close(self) -> None:
        self._closing.set()

    def _may_grow(self, namespace: str, deployment_id: str) -> bool:
        state = self.deployments.known(namespace, deployment_id)
        ended = {InstanceStatus.STOPPED, InstanceStatus.FAILED}
        is_written = state is not None and any(instance.status not in ended for instance in state.instances)
        return is_written or self.tasks.is_running(namespace, deployment_id)

    def _names(self, namespace: str, deployment_id: str) -> list[str]:
        return sorted(self.of(namespace, deployment_id), key=lambda name: (not is_task_log(name), name))


def _environment(deployment_id: str, instance_id: str, given: Mapping[str, str]) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        **given,
        "HOST": "127.0.0.1",
        "INTERLOCK_DEPLOYMENT_ID": deployment_id,
        "INTERLOCK_INSTANCE_ID": instance_id,
    }


@asynccontextmanager
async def open_memory(images: Mapping[str, MemoryImage]) -> AsyncGenerator[Backend]:
    """A backend that runs these images; on the way out nothing is left."""
    held, logs = MemoryImages(images), MemoryLogs()
    deployments, tasks = MemoryDeployments(held, logs), MemoryTasks(held, logs)
    logs.deployments, logs.tasks = deployments, tasks
    try:
        yield Backend(deployments=deployments, tasks=tasks, logs=logs, images=held)
    finally:
        await asyncio.gather(deployments.close(), tasks.close())
