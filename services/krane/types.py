"""What krane is asked for and what it answers, free of the wire."""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from services.domain.readiness import InstanceState


class DeploymentStatus(StrEnum):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """How to ask an instance whether it is healthy. Empty fields: as the image says, else krane's default."""

    # An absolute path, answered 2xx when healthy; empty = TCP connect.
    path: str = ""
    # Milliseconds between probes of a healthy instance; 0 = default.
    interval_ms: int = 0
    # Milliseconds for one probe; 0 = default.
    timeout_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSpec:
    """What to run. The same spec again is the same deployment."""

    # The workspace; names never cross it.
    namespace: str
    deployment_id: str
    # As its backend names images: "artifact@sha256:<hex>", or what a Docker Engine knows or can pull.
    image: str
    replicas: int
    # Of each instance; 0 = no limit. The process backend records it and does not limit CPU.
    cpu_millicores: int
    # Limit of each instance's whole process tree.
    memory_mib: int
    health_check: HealthCheck = field(default_factory=HealthCheck)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceReport(InstanceState):
    """One instance, and how often it was started again after it had been healthy."""

    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentState:
    """A deployment and its instances at one moment."""

    namespace: str
    deployment_id: str
    image: str
    replicas: int
    status: DeploymentStatus
    instances: tuple[InstanceReport, ...]


def running_instances(state: DeploymentState | None) -> tuple[InstanceReport, ...] | None:
    """The instances of a deployment; None when it is stopped or krane does not know it."""
    return None if state is None or state.status is DeploymentStatus.STOPPED else state.instances


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line that an instance wrote to its standard output or error."""

    instance_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSource:
    """An uploaded source tree."""

    # "source@sha256:<hex of the archive>"
    source: str
    size_bytes: int


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
