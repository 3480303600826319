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
_GIVEN_UP = frozenset({_S.FAILED, _S.CANCELLED})

TRANSITIONS: Final[dict[DeploymentStatus, frozenset[DeploymentStatus]]] = {
    _S.PENDING: frozenset({_S.BUILDING, _S.SUPERSEDED}) | _GIVEN_UP,
    _S.BUILDING: frozenset({_S.DEPLOYING}) | _GIVEN_UP,
    _S.DEPLOYING: frozenset({_S.NETWORK}) | _GIVEN_UP,
    _S.NETWORK: frozenset({_S.READY}) | _GIVEN_UP,
    _S.READY: frozenset({_S.STOPPED}),
    _S.STOPPED: frozenset({_S.READY, _S.REMOVED}),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.SUPERSEDED: frozenset(),
    _S.REMOVED: frozenset(),
}

# Nothing came of a deployment in one of these.
UNDONE: Final = frozenset({_S.FAILED, _S.CANCELLED, _S.SUPERSEDED})
# Nothing of a deployment in one of these may be left.
GONE: Final = UNDONE | {_S.REMOVED}
# No operation works on a deployment in one of these.
ENDED: Final = GONE | {_S.READY, _S.STOPPED}


def advance(current: DeploymentStatus, wanted: DeploymentStatus) -> DeploymentStatus:
    """Return `wanted` when it may follow `current`, or is `current` (a step that runs twice); raises Conflict."""
    if wanted is not current and wanted not in TRANSITIONS[current]:
        raise Conflict(f"a deployment that is {current} cannot become {wanted}")
    return wanted
