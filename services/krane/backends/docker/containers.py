"""The containers of one installation: names, marks, labels and limits, and how to find them."""

import asyncio
import hashlib
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import Annotated, Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from services.config import LOOPBACK
from services.domain.errors import Conflict, NotFound, PreconditionFailed
from services.domain.settings import RunSettings
from services.domain.volumes import parse_volumes, volume_variables
from services.krane.backends.building.app_config import with_port
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.environments import Environments
from services.krane.backends.docker.shapes import ContainerDetails, ContainerSummary
from services.krane.backends.shared.folders import Folders
from services.krane.backends.shared.locks import Locks
from services.krane.backends.shared.records import FOLDED
from services.krane.types import DeploymentSpec, TaskSpec
from services.telemetry import get_logger

log = get_logger(__name__)

INSTALLATION = "interlock.installation"
# Of volumes.
VOLUME_SCOPE = "interlock.volume_scope"
VOLUME = "interlock.volume"
NAMESPACE = "interlock.namespace"
DEPLOYMENT_ID = "interlock.deployment-id"
# On a task's container, instead of DEPLOYMENT_ID.
TASK_ID = "interlock.task-id"
INSTANCE_ID = "interlock.instance-id"
RECORD = "interlock.record"
LOG_FILE_BYTES = 2 * 1024 * 1024
LOG_FILES = 3
MAX_PROCESSES = 512
# What images of web servers need at their start: to own their folders, bind port 80, and switch to another user.
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")


class Mark(StrEnum):
    """What krane wants of a container. A suffix of its name."""

    NONE = ""  # keep it running; if it has ended, it ended by itself
    HALTED = ".halted"  # start it: it never ran, or krane ended it
    STOPPED = ".stopped"  # on the first container: the deployment is stopped
    DELETED = ".deleted"  # on the first container: the deployment is being deleted
    NEXT = ".next"  # it replaces a container whose port was taken


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRecord:
    """What never changes about a deployment."""

    spec: DeploymentSpec
    # The id of the spec's image at the creation of the deployment.
    image_id: str
    # The fields below follow from the two above. They are not compared, since older versions stored fewer of them.
    # The port that instances listen on in their container.
    container_port: int = field(compare=False)
    # Settings of the image's source, and the command that replaces the image's CMD.
    of_image: RunSettings = field(compare=False)

    def instance_id(self, index: int) -> str:
        """Return the id of one instance, as krane's callers use it."""
        return f"{self.spec.deployment_id}-{index}"


RECORD_ADAPTER: TypeAdapter[ContainerRecord] = TypeAdapter(Annotated[ContainerRecord, FOLDED])


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container, as the engine describes it."""

    id: str
    mark: Mark
    is_running: bool
    # It ran before, and does not run now.
    has_ended: bool
    exit_code: int
    was_out_of_memory: bool
    # Published port of this machine; 0 = none.
    port: int
    # host:port in its own network; empty if it does not run or has no port.
    own_address: str = ""
    # Of its first process, as the engine sees it; 0 if it does not run.
    pid: int = 0


class Containers:
    """The containers with this installation's label. Installations on the same engine do not see each other's."""

    def __init__(self, engine: Engine, folders: Folders) -> None:
        self._engine = engine
        self.environments = Environments(folders)
        self._locks = Locks()
        # Derived from the path, not stored: after the folder was emptied, krane still finds its containers.
        self._installation = hashlib.sha256(str(folders.root).encode()).hexdigest()[:12]

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every container of the installation."""
        return {INSTALLATION: self._installation}

    def changing(self, instance_id: str) -> asyncio.Lock:
        """Return the lock to hold while changing an instance's container or its mark."""
        return self._locks.of(instance_id)

    async def all(self) -> list[ContainerSummary]:
        """Return every container."""
        return await self._engine.list_containers(self.labels)

    async def of_deployment(self, namespace: str, deployment_id: str) -> list[ContainerSummary]:
        """Return the containers of one deployment, that of the first instance last."""
        labels = {NAMESPACE: namespace, DEPLOYMENT_ID: deployment_id}
        found = await self._engine.list_containers(self.labels | labels)
        return sorted(found, key=lambda summary: summary.labels[INSTANCE_ID] == f"{deployment_id}-0")

    async def of_instances(self) -> list[ContainerSummary]:
        """Return every container of a deployment."""
        return [one for one in await self.all() if DEPLOYMENT_ID in one.labels]

    async def of_tasks(self) -> list[ContainerSummary]:
        """Return every container of a task."""
        return [one for one in await self.all() if TASK_ID in one.labels]

    async def of_instance(self, instance_id: str) -> list[ContainerSummary]:
        """Return the containers of one instance or task: one, or for a moment also its replacement."""
        found = await self._engine.list_containers(self.labels | {INSTANCE_ID: instance_id})
        return sorted(found, key=lambda summary: mark_of(summary.names) is Mark.NEXT)

    async def find(self, instance_id: str) -> Container | None:
        """Return the container of one instance."""
        found = await self.of_instance(instance_id)
        details = await self._engine.inspect_container(found[0].id) if found else None
        return _container(details) if details else None

    async def create(self, record: ContainerRecord, index: int, mark: Mark = Mark.NONE) -> Container:
        """Create the container of one instance, unless it exists. Raises Conflict if its name is taken by another."""
        given = await self.environments.find(record.spec)
        labels = self._labels(record, record.instance_id(index))
        config = _config(record, record.instance_id(index), given, self.mounts(record.spec))
        return await self.create_labelled(labels, RECORD_ADAPTER, config, mark)

    async def create_labelled(
        self,
        labels: Mapping[str, str],
        record: TypeAdapter[Any],
        config: Mapping[str, JsonValue],
        mark: Mark = Mark.NONE,
    ) -> Container:
        """Create a container with the labels, unless it exists. `record` parses the label RECORD.

        Raises Conflict if its name is taken by another container.
        """
        name = self._name(labels[INSTANCE_ID], mark)
        try:
            created = await self._engine.create_container(name, {**config, "Labels": {**labels}})
        except Conflict:
            # It may come from an earlier attempt whose answer was lost.
            created = name
        except NotFound as error:
            raise PreconditionFailed(f"{name} cannot be created: its image {config['Image']} was removed") from error
        details = await self._engine.inspect_container(created)
        if details is None or not _is_labelled(details, labels, record):
            raise Conflict(f"the container name {name} is taken by another: delete its deployment, or remove it")
        return _container(details)

    async def mark(self, container: Container, instance_id: str, mark: Mark) -> None:
        """Store what is wanted of a container."""
        if container.mark is not mark:
            await self._engine.rename_container(container.id, self._name(instance_id, mark))

    async def halt(self, instance_id: str, grace_seconds: float) -> None:
        """Mark and stop the container of one instance; returns when it has ended. An ended one is not marked."""
        async with self.changing(instance_id):
            container = await self.find(instance_id)
            if container is None or not container.is_running:
                return
            if container.mark is Mark.NONE:
                await self.mark(container, instance_id, Mark.HALTED)
            await self._engine.stop_container(container.id, grace_seconds)

    def _name(self, instance_id: str, mark: Mark) -> str:
        return f"interlock-{self._installation}-{instance_id}{mark}"

    def _labels(self, record: ContainerRecord, instance_id: str) -> dict[str, str]:
        spec = record.spec
        return {
            **self.labels_of(spec.namespace, spec.deployment_id, instance_id),
            DEPLOYMENT_ID: spec.deployment_id,
            RECORD: RECORD_ADAPTER.dump_json(record).decode(),
        }

    def volume_name(self, namespace: str, scope: str, name: str) -> str:
        """Return the engine's name of a volume."""
        return f"interlock-{self._installation}-{namespace}.{scope}.{name}"

    def mounts(self, spec: DeploymentSpec | TaskSpec) -> list[JsonValue]:
        """Return the volumes of a container. The engine makes those that do not exist."""
        return [
            {
                "Type": "volume",
                "Source": self.volume_name(spec.namespace, spec.volume_scope, volume.name),
                "Target": str(volume.path),
                "VolumeOptions": {
                    "Labels": {
                        **self.labels,
                        NAMESPACE: spec.namespace,
                        VOLUME_SCOPE: spec.volume_scope,
                        VOLUME: volume.name,
                    }
                },
            }
            for volume in parse_volumes(spec.run.volumes)
        ]

    def labels_of(self, namespace: str, deployment_id: str, instance_id: str) -> dict[str, str]:
        """Return the labels of every container of a deployment, including its task's."""
        return {
            **self.labels,
            NAMESPACE: namespace,
            INSTANCE_ID: instance_id,
            "app.kubernetes.io/name": deployment_id,
            "app.kubernetes.io/instance": instance_id,
            "app.kubernetes.io/part-of": namespace,
            "app.kubernetes.io/managed-by": "interlock",
        }


def environment_of(given: Mapping[str, str], spec: DeploymentSpec | TaskSpec, instance_id: str) -> list[JsonValue]:
    """Return a container's environment: the given variables, its identity, and where its volumes are."""
    variables = {**given, **volume_variables(parse_volumes(spec.run.volumes))}
    return [
        *(f"{name}={value}" for name, value in variables.items()),
        f"INTERLOCK_DEPLOYMENT_ID={spec.task_id if isinstance(spec, TaskSpec) else spec.deployment_id}",
        f"INTERLOCK_INSTANCE_ID={instance_id}",
    ]


def limits(*, memory_mib: int, cpu_millicores: int) -> dict[str, JsonValue]:
    """Return the limits of a container's resources and rights."""
    memory = memory_mib << 20
    return {
        "Memory": memory,
        # Limit of memory plus swap: the same value allows no swap.
        "MemorySwap": memory,
        "NanoCpus": cpu_millicores * 1_000_000,
        "PidsLimit": MAX_PROCESSES,
        "CapDrop": ["ALL"],
        "CapAdd": list(CAPABILITIES),
        "SecurityOpt": ["no-new-privileges"],
        # Run an init process first: it forwards signals and reaps orphans, whatever the image runs.
        "Init": True,
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": str(LOG_FILE_BYTES), "max-file": str(LOG_FILES)}},
    }


def owner_of(container: ContainerSummary) -> str:
    """Return the deployment that a container or its task belongs to."""
    return container.labels.get(DEPLOYMENT_ID) or container.labels[TASK_ID]


def read_record(containers: Iterable[ContainerSummary]) -> ContainerRecord | None:
    """Return the record in the labels of one deployment's containers; None if it cannot be read."""
    for container in containers:
        try:
            return RECORD_ADAPTER.validate_json(container.labels[RECORD])
        except (KeyError, ValidationError):
            log.exception("container record cannot be read", container_id=container.id)
    return None


def mark_of(names: Iterable[str]) -> Mark:
    """Return the mark in a container's names."""
    suffixes = {name[name.index(".") :] for name in names if "." in name}
    return next((mark for mark in Mark if mark in suffixes), Mark.NONE)


def _config(
    record: ContainerRecord, instance_id: str, given: Mapping[str, str], mounts: list[JsonValue]
) -> dict[str, JsonValue]:
    spec, port = record.spec, f"{record.container_port}/tcp"
    bounds = limits(memory_mib=spec.run.memory_mib, cpu_millicores=spec.run.cpu_millicores)
    return {
        "Image": record.image_id,
        "Env": [*environment_of(given, spec, instance_id), f"PORT={record.container_port}"],
        **_command(record),
        "ExposedPorts": {port: {}},
        "HostConfig": {**bounds, "PortBindings": {port: [_free_port()]}, "Mounts": mounts},
    }


def _command(record: ContainerRecord) -> dict[str, JsonValue]:
    """Return what replaces the image's CMD. The ENTRYPOINT stays, as with `docker run`."""
    command = with_port(record.spec.run.command or record.of_image.command or (), str(record.container_port))
    return {"Cmd": [*command]} if command else {}


def _free_port() -> dict[str, JsonValue]:
    """Publish a loopback port that is free now. The container's configuration holds it, so it survives restarts."""
    with socket.create_server((LOOPBACK, 0)) as probe:
        return {"HostIp": LOOPBACK, "HostPort": str(probe.getsockname()[1])}


def _is_labelled(details: ContainerDetails, labels: Mapping[str, str], record: TypeAdapter[Any]) -> bool:
    """Return whether a container has these labels. The record is parsed: another version may format it differently."""
    found = details.config.labels or {}
    plain = {name: value for name, value in labels.items() if name != RECORD}
    try:
        is_same = record.validate_json(found.get(RECORD, "")) == record.validate_json(labels[RECORD])
    except ValidationError:
        return False
    return is_same and plain.items() <= found.items()


def _container(details: ContainerDetails) -> Container:
    bindings = details.host_config.port_bindings or {}
    return Container(
        id=details.id,
        mark=mark_of([details.name]),
        is_running=details.state.running,
        has_ended=not details.state.running and details.state.status != "created",
        exit_code=details.state.exit_code,
        was_out_of_memory=details.state.oom_killed,
        port=next((int(binding.host_port) for binding in chain.from_iterable(bindings.values())), 0),
        pid=details.state.pid,
        own_address=_own_address(details, bindings),
    )


def _own_address(details: ContainerDetails, ports: Iterable[str]) -> str:
    hosts = [one.ip_address for one in (details.network_settings.networks or {}).values() if one.ip_address]
    return next((f"{host}:{port.removesuffix('/tcp')}" for host in hosts for port in ports), "")
