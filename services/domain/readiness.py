"""When enough instances of a deployment are healthy to take traffic."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class InstanceStatus(StrEnum):
    """What krane says of one instance; whether it is healthy is said beside."""

    PENDING = "pending"  # being started, or started again after a crash
    RUNNING = "running"  # its process runs
    TERMINATING = "terminating"
    FAILED = "failed"  # ended by itself before it was ever healthy; not started again
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What asking an instance once came to."""

    # One sentence on what was wrong; empty when it passed.
    problem: str
    # 0 when there was no HTTP answer.
    status_code: int = 0
    # Until the answer, or until it was given up.
    latency_ms: int = 0
    # The beginning of an answer that was not 2xx, as printable characters.
    body: str = ""


@dataclass(frozen=True, slots=True)
class InstanceProbe:
    """What asking a certain instance came to."""

    instance_id: str
    probe: Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceState:
    """One instance as krane reports it."""

    id: str
    # host:port; empty while unknown.
    address: str
    status: InstanceStatus
    healthy: bool
    # One sentence on why it is not healthy; empty when it is.
    reason: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """At least the requested replicas answer their health check."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not yet; `reason` says what for, in one sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It will not become ready by itself."""

    reason: str


Readiness = Ready | Waiting | Failed


def assess(instances: Sequence[InstanceState], replicas: int) -> Readiness:
    """Judge a deployment by its instances. Zero instances are never ready, whatever `replicas` says."""
    healthy = [i for i in instances if i.healthy and i.status is InstanceStatus.RUNNING and i.address]
    if len(healthy) >= max(replicas, 1):
        return Ready()
    for instance in instances:
        if instance.status is InstanceStatus.FAILED:
            return Failed(f"instance {instance.id}: {instance.reason or 'it ended by itself'}")
    unhealthy = next((i for i in instances if not i.healthy and i.reason), None)
    detail = f"; {unhealthy.id}: {unhealthy.reason}" if unhealthy else ""
    return Waiting(f"{len(healthy)} of {max(replicas, 1)} instances are healthy{detail}")
