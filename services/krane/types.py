"""The types of krane's interface, independent of gRPC."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum

from services.domain.readiness import InstanceProbe, InstanceState, Probe
from services.domain.settings import SETTING_NAMES, EffectiveSettings, RunSettings


class WorkloadStatus(StrEnum):
    """The state of all instances of a deployment together."""

    PENDING = "pending"  # at least one instance is not running
    RUNNING = "running"  # every instance is running
    TERMINATING = "terminating"
    STOPPED = "stopped"


class BuildPriority(IntEnum):
    """The priority of a waiting build; higher ones start first."""

    NORMAL = 0
    PRODUCTION = 1


class BuildStatus(StrEnum):
    """The status of a build."""

    RUNNING = "running"  # or waiting for its turn
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskStatus(StrEnum):
    """The status of a task."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"  # stopped before it ended by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCredential:
    """The login for a host, which is a registry or a git server."""

    # host[:port], as `services.domain.images.registry_of` and `GitSource.server` name it.
    host: str
    username: str
    password: str = field(repr=False)


# The settings that krane uses. The others keep their defaults, so that specs that differ only in them are equal.
DEPLOYMENT_SETTINGS = tuple(
    name for name in SETTING_NAMES if name not in ("release_command", "ready_seconds", "openapi_breaking")
)
TASK_SETTINGS = ("cpu_millicores", "memory_mib", "release_command", "volumes")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSpec:
    """A deployment to run. The same spec again is the same deployment."""

    # The workspace. An id is unique within it.
    namespace: str
    deployment_id: str
    # The backend's name for it: "artifact@sha256:<hex>", or an image that the Docker Engine has or can pull.
    image: str
    run: EffectiveSettings
    # Digest of the environment variables, which are passed separately: they may be secret, and a spec is logged.
    environment_digest: str = ""
    # Deployments of the same scope share volumes: the environment's id. Empty if there are no volumes.
    volume_scope: str = ""


def digest_environment(environment: Mapping[str, str]) -> str:
    """Return a digest of environment variables, to compare them without their values; empty if there are none."""
    if not environment:
        return ""
    return f"sha256:{hashlib.sha256(json.dumps(dict(environment), sort_keys=True).encode()).hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceReport(InstanceState):
    """The state of one instance, with its last probe."""

    # None before the first probe of a run.
    last_probe: Probe | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentState:
    """A deployment and its instances at one moment."""

    namespace: str
    deployment_id: str
    image: str
    replicas: int
    status: WorkloadStatus
    instances: tuple[InstanceReport, ...]


def running_instances(state: DeploymentState | None) -> tuple[InstanceReport, ...] | None:
    """The instances of a deployment; None when it is stopped or krane does not know it."""
    return None if state is None or state.status is WorkloadStatus.STOPPED else state.instances


def last_probe(instances: Sequence[InstanceReport]) -> InstanceProbe | None:
    """The last probe of one instance, of an unhealthy one if there is any; None if there was no probe."""
    unhealthy_first = sorted(instances, key=lambda instance: instance.healthy)
    return next((InstanceProbe(i.id, i.last_probe) for i in unhealthy_first if i.last_probe is not None), None)


def without_probes(state: DeploymentState | None) -> DeploymentState | None:
    """The same state without probes: these differ at every call, and do not belong into a journal."""
    return state and replace(state, instances=tuple(replace(one, last_probe=None) for one in state.instances))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line that an instance wrote to its standard output or error."""

    instance_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which lines to follow."""

    namespace: str
    deployment_id: str
    # Also the build's log, before the instances' lines.
    build: bool = False
    # Whether to continue with new lines.
    follow: bool = False
    # At most this many of the existing lines of each log; 0 = all.
    tail_lines: int = 0
    # Only existing lines from this time on, in milliseconds since the epoch; 0 = all.
    since_ms: int = 0
    # The cursor of the last line that was read, by instance id; "" is the build. Such a log continues after that line,
    # and ignores the two limits.
    after: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedLine:
    """One line of a log, and its cursor."""

    # Empty: the build.
    instance_id: str
    text: str
    # When it was written, milliseconds since the epoch; 0 = not known.
    at_ms: int
    cursor: str
    # Whether lines before this one are lost, because their file was deleted by rotation before they were read.
    is_after_gap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSource:
    """An uploaded source tree."""

    # "source@sha256:<hex of the archive>"
    source: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    """Settings and variables from a source. The image remembers them."""

    run: RunSettings = field(default_factory=RunSettings)
    # Variables for its instances.
    environment: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildState:
    """A build at one moment."""

    status: BuildStatus
    # "artifact@sha256:<hex>" or "sha256:<image id>" when it succeeded; empty otherwise.
    image: str = ""
    # One sentence on why it failed; empty otherwise.
    error: str = ""
    # The image was there already.
    cached: bool = False
    # The newest lines, oldest first.
    log_lines: tuple[str, ...] = ()
    # "source@sha256:<hex>". For a git source, source and commit are empty until it has been fetched.
    source: str = ""
    commit: str = ""
    # The default branch of a fetched git source without a ref, if the server names it; empty otherwise.
    branch: str = ""
    # From the source, when the build has succeeded.
    settings: AppSettings = field(default_factory=AppSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVolume:
    """A volume that krane has."""

    scope: str
    name: str
    # Ids of the deployments and tasks that run with it.
    used_by: tuple[str, ...] = ()


# The name of a task that runs the release command.
RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """A command to run once. The same spec again is the same run."""

    # The workspace. An id is unique within it.
    namespace: str
    # The id of its deployment.
    task_id: str
    # As in a DeploymentSpec.
    image: str
    # The command is run.release_command.
    run: EffectiveSettings
    timeout_seconds: float
    # As in a DeploymentSpec.
    environment_digest: str = ""
    # What the task is for, in lower-case letters. Records of an older krane have none: they are releases.
    name: str = RELEASE
    # As in a DeploymentSpec.
    volume_scope: str = ""

    @property
    def log_name(self) -> str:
        """The name of its log."""
        return task_log_name(self.task_id, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """A task at one moment."""

    status: TaskStatus
    # Negative: the signal that ended it. None while it runs, and if its end was not observed.
    exit_code: int | None = None
    # One sentence on why it did not succeed; empty otherwise.
    reason: str = ""
    # The newest lines, oldest first.
    log_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskName:
    """The name of a task."""

    namespace: str
    task_id: str


def task_log_name(task_id: str, name: str = RELEASE) -> str:
    """The name of a task's log, used like the id of an instance."""
    return f"{task_id}-{name}"


def is_task_log(log_name: str) -> bool:
    """Whether a log is that of a task. The id of an instance ends in its index."""
    return not log_name.rpartition("-")[2].isdigit()
