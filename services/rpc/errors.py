"""Maps our errors to gRPC statuses and back. This is the only table of them."""

from typing import Final

import grpc

from services.domain.errors import (
    Conflict,
    DeadlineExceeded,
    InterlockError,
    Invalid,
    NotFound,
    PreconditionFailed,
    Unavailable,
)

_STATUS_OF: Final[dict[type[InterlockError], grpc.StatusCode]] = {
    Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    # Not ALREADY_EXISTS: a conflict is also a cancelled operation or a lost race.
    Conflict: grpc.StatusCode.ABORTED,
    PreconditionFailed: grpc.StatusCode.FAILED_PRECONDITION,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
}
_ERROR_OF: Final[dict[grpc.StatusCode, type[InterlockError]]] = {
    **{status: kind for kind, status in _STATUS_OF.items()},
    # The status of calls on a channel that is being closed.
    grpc.StatusCode.CANCELLED: Unavailable,
}


def status_of(error: Exception) -> grpc.StatusCode | None:
    """The status of one of our errors; None for any other error, which is a bug: it is logged, not sent."""
    return _STATUS_OF.get(type(error)) if isinstance(error, InterlockError) else None


def error_of(status: grpc.StatusCode) -> type[InterlockError]:
    """The error of a status; InterlockError if no error has it."""
    return _ERROR_OF.get(status, InterlockError)


def internal_message(part: str) -> str:
    """The message that callers get when a part has a bug."""
    return f"something broke inside of {part}; its log says what"
