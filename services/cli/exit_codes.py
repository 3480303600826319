"""What the command's exit code says."""

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
    """8 is kept for a caller who may not do it."""

    OK = 0
    ERROR = 1
    USAGE = 2
    BUILD_FAILED = 3
    NEVER_READY = 4
    STILL_RUNNING = 5  # the wait timed out; the operation goes on
    CANCELLED = 6  # or superseded
    REFUSED = 7  # a precondition or a conflict
    NOT_FOUND = 9
    UNREACHABLE = 10  # the control plane does not answer
    NEEDS_ATTENTION = 11  # something does not go on without a person
    INTERRUPTED = 130  # Ctrl-C; the operation goes on


_BY_ERROR: dict[type[InterlockError], ExitCode] = {
    Invalid: ExitCode.USAGE,
    NotFound: ExitCode.NOT_FOUND,
    Conflict: ExitCode.REFUSED,
    PreconditionFailed: ExitCode.REFUSED,
    DeadlineExceeded: ExitCode.STILL_RUNNING,
    Unavailable: ExitCode.UNREACHABLE,
}
_BY_FAILED_STEP = {"build": ExitCode.BUILD_FAILED, "poll until ready": ExitCode.NEVER_READY}


def of_error(error: InterlockError) -> ExitCode:
    """The exit code for an error."""
    return _BY_ERROR.get(type(error), ExitCode.ERROR)


def of_ended(deployment: pb.Deployment) -> ExitCode:
    """The exit code for a deployment that has ended."""
    match status_of(deployment):
        case DeploymentStatus.FAILED:
            return _BY_FAILED_STEP.get(deployment.failure.step, ExitCode.ERROR)
        case DeploymentStatus.CANCELLED | DeploymentStatus.SUPERSEDED:
            return ExitCode.CANCELLED
        case _:
            return ExitCode.OK
