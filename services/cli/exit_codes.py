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
    """How a command ended; 8 is reserved for "permission denied"."""

    OK = 0
    ERROR = 1
    USAGE = 2
    BUILD_FAILED = 3
    NEVER_READY = 4
    STILL_RUNNING = 5
    CANCELLED = 6
    REFUSED = 7
    NOT_FOUND = 9
    UNREACHABLE = 10
    NEEDS_ATTENTION = 11
    RELEASE_FAILED = 12
    INTERRUPTED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.ERROR: "another error",
    ExitCode.USAGE: "wrong usage, or a value that is not allowed",
    ExitCode.BUILD_FAILED: "the build failed",
    ExitCode.NEVER_READY: "the instances did not become ready",
    ExitCode.STILL_RUNNING: "waiting timed out; the operation goes on",
    ExitCode.CANCELLED: "the deployment was cancelled, or replaced by a newer one",
    ExitCode.REFUSED: "not possible in this state, or in conflict with something",
    ExitCode.NOT_FOUND: "no such project, environment, deployment or key",
    ExitCode.UNREACHABLE: "the control plane does not answer",
    ExitCode.NEEDS_ATTENTION: "`attention` found something, or `doctor` a failure",
    ExitCode.RELEASE_FAILED: "the release command failed, or took too long",
    ExitCode.INTERRUPTED: "Ctrl-C; the operation goes on",
}

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
