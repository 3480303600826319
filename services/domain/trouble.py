"""What is wrong with a deployment that should serve: its instances do not stay up, or none of them is healthy.

Wall-clock times only decide what is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.domain.readiness import InstanceState, InstanceStatus

# What the ending of an instance begins with that used more memory than it may.
OUT_OF_MEMORY = "out of memory"
# A single crash may be chance; the restart mends it.
CRASHES_UNTIL_SHOWN = 2
# A restart may take this long before it is shown.
UNHEALTHY_PATIENCE_MS = 3_000
# How long the end of an instance is shown that mends itself, but tells of a limit that is too low.
OUT_OF_MEMORY_SHOWN_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One problem of a deployment."""

    # What the deployment does, as the end of a sentence.
    what: str
    why: str
    # Milliseconds since the epoch; 0 = not known.
    since_ms: int
    # The instance that shows it best; empty if there is none.
    instance_id: str


def find_trouble(instances: Sequence[InstanceState] | None, now_ms: int) -> Trouble | None:
    """Return the worst problem of a deployment that should serve; None if it is fine.

    `instances` are those that krane reports; None: it is stopped, or krane does not have it.
    """
    if not instances:
        why = "krane has stopped it, or does not have it"
        return Trouble(what="does not run", why=why, since_ms=0, instance_id="")
    worst = max(instances, key=lambda one: (one.crashes, not one.healthy, one.last_end_ms))
    if worst.crashes >= CRASHES_UNTIL_SHOWN:
        return _trouble("does not stay up", worst, worst.last_end, worst.last_end_ms)
    if not any(one.healthy for one in instances):
        since_ms = max(one.unhealthy_since_ms for one in instances)
        is_final = all(one.status is InstanceStatus.FAILED for one in instances)
        if is_final or now_ms - since_ms >= UNHEALTHY_PATIENCE_MS:
            return _trouble("has no healthy instance", worst, worst.reason or "it is not healthy", since_ms)
    greedy = [one for one in instances if one.last_end.startswith(OUT_OF_MEMORY)]
    last = max(greedy, key=lambda one: one.last_end_ms, default=None)
    if last is not None and now_ms - last.last_end_ms < OUT_OF_MEMORY_SHOWN_MS:
        return _trouble("ran out of memory", last, last.last_end, last.last_end_ms)
    return None


def _trouble(what: str, instance: InstanceState, reason: str, since_ms: int) -> Trouble:
    times = f"; restarts: {instance.restarts}" if instance.restarts else ""
    return Trouble(what=what, why=f"{instance.id}: {reason}{times}", since_ms=since_ms, instance_id=instance.id)
