"""What krane is asked for and what it answers, free of the wire."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum

from services.domain.readiness import InstanceProbe, InstanceState, Probe
from services.domain.settings import SETTING_NAMES, EffectiveSettings, RunSettings


class WorkloadStatus(StrEnum):
    """All instances of a deployment taken together."""

    PENDING = "pending"  # at least one instance does not run yet, or does not run any more
    RUNNING = "running"  # the process of every instance runs
    TERMINATING = "terminating"
    STOPPED = "stopped"


class BuildPriority(IntEnum):
    """Whose turn it is first, when builds wait."""

    NORMAL = 0
    PRODUCTION = 1


class BuildStatus(StrEnum):
    """How far a build is."""

    RUNNING = "running"  # waiting for its turn included
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskStatus(StrEnum):
    """How far a task is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"  # stopped before it ended by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCredential:
    """What a registry asks for before it hands out images, or a git server before it hands out commits."""

    # host[:port], as `services.domain.images.registry_of` and `GitSource.server` name it.
    registry: str
    username: str
    password: str = field(repr=False)


# What krane acts on. The rest of a spec's settings has its defaults here, so that it never makes another spec.
DEPLOYMENT_SETTINGS = tuple(name for name in SETTING_NAMES if name not in ("release_command", "ready_seconds"))
TASK_SETTINGS = ("cpu_millicores", "memory_mib", "release_command")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSpec:
    """What to run. The same spec again is the same deployment."""

    # The workspace; names never cross it.
    namespace: str
    deployment_id: str
    # As its backend names images: "artifact@sha256:<hex>", or what a Docker Engine knows or can pull.
    image: str
    run: EffectiveSettings
    # Of the environment variables that are given beside it. Their values may be secret, and a spec is logged and shown.
    environment_digest: str = ""


def digest_environment(environment: Mapping[str, str]) -> str:
    """Tells environments apart without showing their values; empty for an empty one."""
    if not environment:
        return ""
    return f"sha256:{hashlib.sha256(json.dumps(dict(environment), sort_keys=True).encode()).hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceReport(InstanceState):
    """One instance, how often it was started again after it had been healthy, and what its last probe found."""

    restarts: int = 0
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
    """What was found when an instance was last asked: one that is not healthy rather than one that is."""
    asked = sorted(instances, key=lambda instance: instance.healthy)
    return next((InstanceProbe(i.id, i.last_probe) for i in asked if i.last_probe is not None), None)


def without_probes(state: DeploymentState | None) -> DeploymentState | None:
    """The same, without what an app answered: that differs with every look, and has no place in a journal."""
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
    # Go on with what is written from now on.
    follow: bool = False
    # Of each log, at most this many of the lines that are there; 0 = all.
    tail_lines: int = 0
    # Of each log, the lines that are there since then: milliseconds since the epoch; 0 = all.
    since_ms: int = 0
    # The cursors of the last lines that were seen, by instance, the build's under "". Such a log goes on behind its
    # line, whatever the two limits say.
    after: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedLine:
    """One line of a log, and the way back to it."""

    # Empty: the build.
    instance_id: str
    text: str
    # When it was written, milliseconds since the epoch; 0 = not known.
    at_ms: int
    cursor: str
    # Lines before this one are lost: their file was rotated away before they were read.
    is_after_gap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSource:
    """An uploaded source tree."""

    # "source@sha256:<hex of the archive>"
    source: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    """What a source tree sets. Its image remembers it."""

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
    # The newest, oldest first.
    log_lines: tuple[str, ...] = ()
    # "source@sha256:<hex>"; of a git source, and so is the commit, empty until it was fetched.
    source: str = ""
    commit: str = ""
    # The default branch of a git source, when that was fetched and the server says its name; empty otherwise.
    branch: str = ""
    # What the source tree sets, when it succeeded.
    settings: AppSettings = field(default_factory=AppSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """A command to run once. The same spec again is the same run."""

    # The workspace; names never cross it.
    namespace: str
    # The deployment it is for.
    task_id: str
    # As in a DeploymentSpec.
    image: str
    # Its release_command is what runs.
    run: EffectiveSettings
    timeout_seconds: float
    # As in a DeploymentSpec.
    environment_digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """A task at one moment."""

    status: TaskStatus
    # Negative: by that signal. None while it runs, and when nobody saw how it ended.
    exit_code: int | None = None
    # One sentence on why it did not succeed; empty otherwise.
    reason: str = ""
    # The newest, oldest first.
    log_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskName:
    """What names a task."""

    namespace: str
    task_id: str


def task_log_name(task_id: str) -> str:
    """What stands for a task among the instances of its deployment, as their ids do."""
    return f"{task_id}-release"
