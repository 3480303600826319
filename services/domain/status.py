"""The states of a deployment and the allowed transitions."""

from enum import StrEnum
from typing import Final

from services.domain.errors import Conflict


class DeploymentStatus(StrEnum):
    """Status of a deployment. Its current step is stored separately. Live is about routing and not a status."""

    PENDING = "pending"  # recorded, not started
    BUILDING = "building"  # its image is being built
    DEPLOYING = "deploying"  # its instances are starting
    NETWORK = "network"  # healthy; its hostnames are being assigned
    READY = "ready"  # healthy, routed, and acknowledged by the gateways
    FAILED = "failed"  # failed; nothing of it runs
    CANCELLED = "cancelled"  # cancelled on request; nothing of it runs
    SUPERSEDED = "superseded"  # a newer deployment replaced it before it started
    STOPPED = "stopped"  # was ready; its instances were stopped, and can be started again
    REMOVED = "removed"  # was stopped; its image and its commit hostname were deleted


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

# The deployment ended without ever being ready.
UNDONE: Final = frozenset({_S.FAILED, _S.CANCELLED, _S.SUPERSEDED})
# The deployment must have left nothing behind.
GONE: Final = UNDONE | {_S.REMOVED}
# No operation is working on the deployment.
ENDED: Final = GONE | {_S.READY, _S.STOPPED}


def advance(current: DeploymentStatus, wanted: DeploymentStatus) -> DeploymentStatus:
    """Return `wanted` if it may follow `current`, or equals it (a step may run twice); raises Conflict otherwise."""
    if wanted is not current and wanted not in TRANSITIONS[current]:
        raise Conflict(f"a deployment that is {current} cannot become {wanted}")
    return wanted
