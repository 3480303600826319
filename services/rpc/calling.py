"""gRPC clients: how one part calls another, and which errors it raises.

An answer that comes too late, or that a closed connection cuts off, raises Unavailable: callers retry.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from services.domain.errors import DeadlineExceeded, InterlockError, Unavailable
from services.rpc.errors import error_of

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

CHANNEL_OPTIONS: Final[tuple[tuple[str, Any], ...]] = (
    ("grpc.enable_http_proxy", 0),
    # A part restarts quickly, so reconnect quickly; gRPC's default is up to 120 s.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


def open_channel(address: str, *options: tuple[str, Any]) -> grpc.aio.Channel:
    """Return a channel to "host:port"; it connects on the first call, and again after the server has restarted."""
    return grpc.aio.insecure_channel(address, options=[*CHANNEL_OPTIONS, *options])


async def call(
    method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
    request: Request,
    *,
    timeout: timedelta,
    tried: str = "",
    late: type[InterlockError] = Unavailable,
) -> Response:
    """Call a method of a stub. Raises like `statuses_as_errors`."""
    with statuses_as_errors(tried, late=late):
        return await method(request, timeout=timeout.total_seconds())


async def follow(
    method: grpc.aio.UnaryStreamMultiCallable[Request, Response], request: Request, *, tried: str = ""
) -> AsyncGenerator[Response]:
    """Yield the answers of a streaming method, without a deadline. The caller closes the generator."""
    with statuses_as_errors(tried):
        answers = method(request)
        try:
            async for answer in answers:
                yield answer
        finally:
            answers.cancel()


@contextmanager
def statuses_as_errors(tried: str = "", *, late: type[InterlockError] = Unavailable) -> Generator[None]:
    """Convert the status of a failed call to one of our errors; `late` is raised when the deadline has passed.

    `tried` is the beginning of the message of Unavailable. Any other status raises InterlockError: it is a bug in the
    server.
    """
    try:
        yield
    except grpc.aio.AioRpcError as error:
        kind, details = error_of(error.code()), error.details() or error.code().name
        if kind is DeadlineExceeded:
            kind = late
        raise kind(f"{tried}: {details}" if tried and kind is Unavailable else details) from error
    except grpc.aio.UsageError as error:
        raise Unavailable(_closed(tried)) from error
    except asyncio.CancelledError as error:
        # Closing a channel cancels its calls. Only a cancelled task passes the cancellation on.
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        raise Unavailable(_closed(tried)) from error


def _closed(tried: str) -> str:
    return f"{tried or 'cannot call'}: the connection was closed"
