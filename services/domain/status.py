"""The life of a deployment as a state machine: one table, one function."""

from enum import StrEnum
from typing import Final

from services.domain.errors import Conflict


class DeploymentStatus(StrEnum):
    """Where a deployment is. The finer step is kept beside it; live is about routing and never a status."""

    PENDING = "pending"  # recorded, not begun
    BUILDING = "building"  # its image is being made
    DEPLOYING = "deploying"  # its instances are being started
    NETWORK = "network"  # healthy; its hostnames are being assigned
    READY = "ready"  # healthy, routed, and acknowledged by the gateways
    FAILED = "failed"  # gave up; nothing of it is left running
    CANCELLED = "cancelled"  # somebody asked to stop; nothing of it is left running
    SUPERSEDED = "superseded"  # a newer deployment took its place before it began
    STOPPED = "stopped"  # was ready; its instances were retired, and can be started again
    REMOVED = "removed"  # was stopped; its image and its own hostname are gone too


_S = DeploymentStatus
_UNDONE = frozenset({_S.FAILED, _S.CANCELLED})

TRANSITIONS: Final[dict[DeploymentStatus, frozenset[DeploymentStatus]]] = {
    _S.PENDING: frozenset({_S.BUILDING, _S.SUPERSEDED}) | _UNDONE,
    _S.BUILDING: frozenset({_S.DEPLOYING}) | _UNDONE,
    _S.DEPLOYING: frozenset({_S.NETWORK}) | _UNDONE,
    _S.NETWORK: frozenset({_S.READY}) | _UNDONE,
    _S.READY: frozenset({_S.STOPPED}),
    _S.STOPPED: frozenset({_S.READY, _S.REMOVED}),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.SUPERSEDED: frozenset(),
    _S.REMOVED: frozenset(),
}

# No operation works on a deployment in one of these.
ENDED: Final = frozenset({_S.READY, _S.FAILED, _S.CANCELLED, _S.SUPERSEDED, _S.STOPPED, _S.REMOVED})


def advance(current: DeploymentStatus, wanted: DeploymentStatus) -> DeploymentStatus:
    """Return `wanted` when it may follow `current`, or is `current` (a step that runs twice); raises Conflict."""
    if wanted is not current and wanted not in TRANSITIONS[current]:
        raise Conflict(f"a deployment that is {current} cannot become {wanted}")
    return wanted
