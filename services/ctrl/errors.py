"""How errors look from outside: one table for gRPC both ways, one for HTTP. Causes and stack traces stay in the log."""

from http import HTTPStatus
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

# A conflict is ABORTED and never ALREADY_EXISTS: it also means a cancelled operation or a lost race.
_GRPC: Final[dict[type[InterlockError], grpc.StatusCode]] = {
    Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Conflict: grpc.StatusCode.ABORTED,
    PreconditionFailed: grpc.StatusCode.FAILED_PRECONDITION,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
}
_BY_GRPC: Final = {status: error for error, status in _GRPC.items()}

INTERNAL_MESSAGE: Final = "something broke inside of ctrl; its log says what"


def grpc_status(error: InterlockError) -> tuple[grpc.StatusCode, str]:
    """The status and details a gRPC caller gets."""
    status = _GRPC.get(type(error), grpc.StatusCode.INTERNAL)
    return status, INTERNAL_MESSAGE if status is grpc.StatusCode.INTERNAL else error.message


def from_grpc(status: grpc.StatusCode, details: str) -> InterlockError:
    """The error a gRPC caller was answered with; the inverse of `grpc_status`."""
    return _BY_GRPC.get(status, InterlockError)(details)


def http_error(error: InterlockError) -> tuple[int, str, str]:
    """The status, code and message an HTTP caller gets."""
    if type(error) not in _GRPC:
        return HTTPStatus.INTERNAL_SERVER_ERROR, InterlockError.code, INTERNAL_MESSAGE
    return error.http_status, error.code, error.message
