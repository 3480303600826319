"""Decide whether enough instances of a deployment are healthy to take traffic."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class InstanceStatus(StrEnum):
    """Status of an instance as krane reports it. Health is a separate field."""

    PENDING = "pending"  # starting, or restarting after a crash
    RUNNING = "running"  # its process runs
    TERMINATING = "terminating"
    FAILED = "failed"  # exited before it was ever healthy; not restarted
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The result of one health probe."""

    # What was wrong, in one sentence; empty if the probe passed.
    problem: str
    # 0: no HTTP answer.
    status_code: int = 0
    # Time until the answer, or until the probe gave up.
    latency_ms: int = 0
    # Start of an answer that was not 2xx, in printable characters.
    body: str = ""


@dataclass(frozen=True, slots=True)
class InstanceProbe:
    """A probe with the instance that it was sent to."""

    instance_id: str
    probe: Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceState:
    """One instance as krane reports it."""

    id: str
    # host:port; empty while unknown, and while it is frozen.
    address: str
    status: InstanceStatus
    healthy: bool
    # Why it is not healthy, in one sentence; empty if it is healthy.
    reason: str = ""
    exit_code: int | None = None
    # How often it was started again after it had been healthy.
    restarts: int = 0
    # How many of its last runs in a row ended soon after they had become healthy.
    crashes: int = 0
    # How its last run ended, as the beginning of a sentence; empty if none ended after it had been healthy.
    last_end: str = ""
    # When that was, and since when it is not healthy, in milliseconds since the epoch; 0 = never, or it is healthy.
    last_end_ms: int = 0
    unhealthy_since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Ready:
    """At least as many instances as requested are healthy."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not ready yet; `reason` says why, in one sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It will not become ready by itself."""

    reason: str


Readiness = Ready | Waiting | Failed


def assess(instances: Sequence[InstanceState], replicas: int) -> Readiness:
    """Assess a deployment by its instances. At least one must be healthy, even if `replicas` is 0."""
    healthy = [i for i in instances if i.healthy and i.status is InstanceStatus.RUNNING and i.address]
    if len(healthy) >= max(replicas, 1):
        return Ready()
    for instance in instances:
        if instance.status is InstanceStatus.FAILED:
            return Failed(f"instance {instance.id}: {instance.reason or 'it ended by itself'}")
    unhealthy = next((i for i in instances if not i.healthy and i.reason), None)
    detail = f"; {unhealthy.id}: {unhealthy.reason}" if unhealthy else ""
    return Waiting(f"{len(healthy)} of {max(replicas, 1)} instances are healthy{detail}")
