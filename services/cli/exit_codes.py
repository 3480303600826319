"""Exit codes of the command line."""

from enum import IntEnum

from services.ctrl.enums import status_of
from services.domain.errors import (
    Conflict,
    DeadlineExceeded,
    InterlockError,
    Invalid,
    NotFound,
    PreconditionFailed,
    Unavailable,
)
from services.domain.status import DeploymentStatus
from services.gen.ctrl.v1 import control_pb2 as pb


class ExitCode(IntEnum):
    """What each exit code means; 8 is reserved for "permission denied"."""

    OK = 0
    ERROR = 1
    USAGE = 2
    BUILD_FAILED = 3
    NEVER_READY = 4
    STILL_RUNNING = 5  # the wait timed out; the operation continues
    CANCELLED = 6  # or superseded
    REFUSED = 7  # failed precondition, or conflict
    NOT_FOUND = 9
    UNREACHABLE = 10  # the control plane does not answer
    NEEDS_ATTENTION = 11  # something needs a person
    RELEASE_FAILED = 12  # the release command failed, or took too long
    INTERRUPTED = 130  # Ctrl-C; the operation continues


_BY_ERROR: dict[type[InterlockError], ExitCode] = {
    Invalid: ExitCode.USAGE,
    NotFound: ExitCode.NOT_FOUND,
    Conflict: ExitCode.REFUSED,
    PreconditionFailed: ExitCode.REFUSED,
    DeadlineExceeded: ExitCode.STILL_RUNNING,
    Unavailable: ExitCode.UNREACHABLE,
}
_BY_FAILED_STEP = {
    "build": ExitCode.BUILD_FAILED,
    "release command": ExitCode.RELEASE_FAILED,
    "poll until ready": ExitCode.NEVER_READY,
}


def of_error(error: InterlockError) -> ExitCode:
    """Return the exit code for an error."""
    return _BY_ERROR.get(type(error), ExitCode.ERROR)


def of_ended(deployment: pb.Deployment) -> ExitCode:
    """Return the exit code for a deployment that has ended."""
    match status_of(deployment):
        case DeploymentStatus.FAILED:
            return _BY_FAILED_STEP.get(deployment.failure.step, ExitCode.ERROR)
        case DeploymentStatus.CANCELLED | DeploymentStatus.SUPERSEDED:
            return ExitCode.CANCELLED
        case _:
            return ExitCode.OK
